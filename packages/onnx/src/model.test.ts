import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, forward, loadModel, pipeline, type Step } from '@tersor/core'
import { encodeModel, graphBuilder, MICROSOFT, modelOf, onnxSink, openOnnx, type Onnx } from './file.js'
import { svd } from '@tersor/low-rank'
import { magnitude, sparseGpt, wanda } from '@tersor/pruning'
import {
  entropyObserver,
  gptq,
  minMaxObserver,
  movingAverageObserver,
  mseObserver,
  percentileObserver,
  quantizeActivations,
  rtn,
} from '@tersor/quantization'
import { casesTried } from '@tersor/testing'
import { toFloat32, type Dense } from '@tersor/tensor'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { floats, runOnnx } from './file/run.fixture.js'
import { initializer, values, writeConvolution, writeMlp } from './file/toy-graph.fixture.js'
import { openOnnxModel, type OnnxModel } from './model.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-graph-'))
  writeMlp(join(folder, 'mlp.onnx'))
  writeMlp(join(folder, 'half.onnx'), 'f16')
  writeConvolution(join(folder, 'convolution.onnx'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const open = (name: string): Promise<OnnxModel> => openOnnxModel(join(folder, `${name}.onnx`))

const input = (rows: number, seed: number): tf.Tensor =>
  tf.tidy(() => tf.sin(tf.mul(tf.reshape(tf.range(0, rows * 96), [rows, 96]), 0.37 + seed)))
const images = (count = 2): tf.Tensor => tf.tidy(() => tf.sin(tf.reshape(tf.range(0, count * 192), [count, 3, 8, 8])))

const outputs = async (model: OnnxModel, x: tf.Tensor): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const y = forward(model, x, { weights })
  dispose()
  return (await y.data()) as Float32Array
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length)
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])))
}

it('says what the graph takes, gives and multiplies by', async () => {
  const model = await open('mlp')
  expect(model.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: ['rows', 96] }])
  expect(model.outputs).toEqual([{ name: 'y', dtype: 'float32', shape: ['rows', 24] }])
  expect(model.stages[0].sites).toEqual([
    { name: 'node_MatMul_0', weight: 'up', kind: 'linear', outAxis: 1, inAxis: 0 },
    { name: 'node_Gemm_3', weight: 'down', kind: 'linear', outAxis: 0, inAxis: 1, head: true },
  ])
  await model.close!()
})

/** relu(x · up + shift), from the parameters. */
const hidden = async ({ params }: OnnxModel, x: tf.Tensor): Promise<tf.Tensor> => {
  const { weights, dispose } = await loadModel({ params, stages: [{ name: '', parameters: ['up', 'shift'], sites: [], run: y => y }] })
  const y = tf.tidy(() => tf.relu(tf.add(tf.matMul(x as tf.Tensor2D, weights('up') as tf.Tensor2D), weights('shift'))))
  dispose()
  return y
}

it.each(['mlp', 'half'])('shows the input of each site to the tap: %s', async name => {
  const model = await open(name)
  const x = input(3, 0)
  const { weights, dispose } = await loadModel(model)
  const seen = new Map<string, Float32Array>()
  tf.tidy(() => void model.stages[0].run(x, { weights, tap: (site, value) => seen.set(site.weight, value.dataSync() as Float32Array) }))
  dispose()
  expect([...seen.keys()]).toEqual(['up', 'down'])
  const tolerance = name === 'half' ? 0.02 : 1e-5
  expect(largestDifference(seen.get('up')!, await x.data())).toBeLessThan(tolerance)
  expect(largestDifference(seen.get('down')!, await (await hidden(model, x)).data())).toBeLessThan(tolerance)
  await model.close!()
})

const STEPS: Readonly<Record<string, () => Step>> = {
  rtn: () => rtn({ bits: 4, group: 32, only: '*' }),
  gptq: () => gptq({ bits: 4, group: 32, only: '*' }),
  magnitude: () => magnitude({ sparsity: 0.5, only: '*' }),
  wanda: () => wanda({ sparsity: 0.5, only: '*' }),
  'sparse-gpt': () => sparseGpt({ sparsity: 0.5, only: '*' }),
  'wanda and gptq': () => pipeline(wanda({ sparsity: 0.5, only: '*' }), gptq({ bits: 4, group: 32, only: '*' })),
  svd: () => svd({ rank: 8, only: '*' }),
}

it.each(Object.keys(STEPS))('runs a method on an imported graph and writes the same network: %s', async name => {
  const model = await open('mlp')
  const before = tf.memory().numTensors
  const calibration = [input(40, 0), input(40, 1)]
  const small = await compress(model, STEPS[name](), { calibration })
  tf.dispose(calibration)
  expect(tf.memory().numTensors).toBe(before)
  const sink = onnxSink(join(folder, 'small.onnx'), { source: model.onnx, overwrite: true, provenance: small.provenance ?? [] })
  for (const parameter of small.params.names()) await sink.write(parameter, await small.params.read(parameter))
  await (
    await sink.finish()
  ).close!()
  const written = await open('small')
  const x = input(5, 2)
  expect(largestDifference(await outputs(written, x), await outputs(small, x))).toBeLessThan(1e-3)
  expect(largestDifference(await outputs(small, x), await outputs(model, x))).toBeGreaterThan(1e-2)
  expect(written.provenance).toEqual(small.provenance)
  await model.close!()
  await written.close!()
})

it('learns from the patches of a convolution', async () => {
  const model = await open('convolution')
  const walk = { kernel: [3, 3], strides: [2, 2], padding: [1, 1, 1, 1], dilations: [1, 1] }
  expect(model.stages[0].sites[0].convolution).toEqual(walk)
  const small = await compress(model, gptq({ bits: 4, group: 27 }), { calibration: [images()] })
  const plain = await compress(model, rtn({ bits: 4, group: 27 }))
  const expected = await outputs(model, images())
  const error = async (other: OnnxModel) => (await outputs(other, images())).reduce((sum, value, i) => sum + (value - expected[i]) ** 2, 0)
  expect(await error(small)).toBeLessThan(await error(plain))
  await model.close!()
})

const OBSERVERS = [minMaxObserver(), movingAverageObserver(), percentileObserver({ percentile: 0.98 }), entropyObserver(), mseObserver()]

/** What ONNX Runtime makes of a file, as it is and with everything fused that it can fuse. */
const inRuntime = async (path: string, x: tf.Tensor): Promise<readonly ArrayLike<number>[]> => {
  const feeds = { x: floats((await x.data()) as Float32Array, x.shape) }
  return [(await runOnnx(path, feeds)).y.data, (await runOnnx(path, feeds, 'all')).y.data]
}

const IMPORTED = [['mlp', input], ['convolution', images], ['half', input]] as const // prettier-ignore
const OBSERVED = IMPORTED.flatMap(([graph, make]) => OBSERVERS.map(observer => ({ graph, make, observer, by: observer.name })))

describe('static int8', () => {
  // every third: each graph, and each observer once
  it.each(casesTried(OBSERVED, 3))('of $graph is written with the grids that $by found, and runs as what is written', async each => {
    const { graph: name, make, observer } = each
    const model = await open(name)
    const [x, before] = [make(4, 0), tf.memory().numTensors]
    const steps = [rtn({ bits: 8, granularity: 'row', only: '*' }), quantizeActivations({ observer, only: '*' })]
    const small = await compress(model, pipeline(...steps), { calibration: [x] })
    const path = join(folder, `${name}-int8.onnx`)
    const sink = onnxSink(path, { source: model.onnx, form: 'QDQ', overwrite: true })
    for (const parameter of small.params.names()) await sink.write(parameter, await small.params.read(parameter))
    await (
      await sink.finish()
    ).close!()
    expect(tf.memory().numTensors).toBe(before)
    const expected = await outputs(small, x)
    const plain = await outputs(model, x)
    const largest = Math.max(...plain.map(Math.abs))
    expect(largestDifference(expected, plain)).toBeGreaterThan(1e-3 * largest)
    // a code more or less where a rounding ties: far less than what the grids change
    const written = await open(`${name}-int8`)
    const asWritten = await openOnnx(path)
    const count = ({ graph }: Onnx, type: string): number => graph.node.filter(({ opType }) => opType === type).length
    // of inputs and of weights; these are trees to us
    expect([asWritten, written.onnx].map(each => count(each, 'QuantizeLinear'))).toEqual([2, 2])
    expect([asWritten, written.onnx].map(each => count(each, 'DequantizeLinear'))).toEqual([4, 2])
    await asWritten.close()
    const runs = name === 'half' ? [await outputs(written, x)] : await inRuntime(path, x) // halves cannot be fed by Node 20
    for (const given of runs) expect(largestDifference(given, expected)).toBeLessThan((name === 'half' ? 0.01 : 2e-3) * largest)
    await written.close!()
    await model.close!()
    x.dispose()
  })
})

it('rounds inputs to fewer bits, shows them to the tap, and leaves other inputs as they are', async () => {
  const model = await open('mlp')
  const x = input(40, 0)
  const small = await compress(model, quantizeActivations({ bits: 3, only: '*Gemm*' }), { calibration: [x] })
  const name = 'node_Gemm_3.input_'
  const [scale] = toFloat32((await small.params.read(`${name}scale`)) as Dense)
  const { weights, dispose } = await loadModel(small)
  const seen = new Map<string, Float32Array>()
  tf.tidy(() => void forward(small, x, { weights, tap: (site, value) => seen.set(site.weight, value.dataSync() as Float32Array) }))
  dispose()
  const codes = new Set([...seen.get('down')!].map(value => Math.round(value / scale)))
  expect([...codes].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]) // behind a relu the zero is code 0
  expect(seen.get('up')).toEqual(await x.data())
  const path = join(folder, 'three.onnx')
  const sink = onnxSink(path, { source: model.onnx })
  for (const parameter of small.params.names()) await sink.write(parameter, await small.params.read(parameter))
  await (
    await sink.finish()
  ).close!()
  for (const given of await inRuntime(path, x)) expect(largestDifference(given, await outputs(small, x))).toBeLessThan(1e-3)
  await model.close!()
})

it('rounds the inputs of the site that a grid was learned for, and of no other node over its weight', async () => {
  const graph = graphBuilder('node_')
  const far = graph.op('Mul', [graph.op('MatMul', ['x', 'w']), graph.constant('f32', [], [100])])
  graph.rename(graph.op('Gemm', [far, 'w'], { attributes: { transB: 1 } }), 'y')
  const value = (name: string) => ({ name, dtype: 'f32' as const, shape: ['rows', 96] })
  const initializers = [initializer('w', [96, 96], values(96 * 96, 1))]
  const proto = modelOf({ name: 'shared', graph, inputs: [value('x')], outputs: [value('y')], initializers })
  await writeFile(join(folder, 'shared.onnx'), encodeModel(proto))
  const model = await open('shared')
  const x = input(40, 0)
  const small = await compress(model, quantizeActivations({ only: '*' }), { calibration: [x] })
  const [plain, rounded] = [await outputs(model, x), await outputs(small, x)]
  const largest = Math.max(...plain.map(Math.abs))
  expect(largestDifference(plain, rounded)).toBeLessThan(0.02 * largest) // on the grid of x the second product's inputs would end at 1
  expect(largestDifference(plain, rounded)).toBeGreaterThan(1e-4 * largest)
  const path = join(folder, 'shared-8.onnx')
  const sink = onnxSink(path, { source: model.onnx, overwrite: true })
  for (const name of small.params.names()) await sink.write(name, await small.params.read(name))
  await (
    await sink.finish()
  ).close!()
  for (const given of await inRuntime(path, x)) expect(largestDifference(given, rounded)).toBeLessThan(2e-3 * largest)
  await model.close!()
})

it('says what the runtime says of a graph that it refuses', async () => {
  const graph = graphBuilder('node_')
  graph.rename(graph.op('NoSuchOperator', ['x'], { domain: MICROSOFT }), 'y')
  const value = (name: string) => ({ name, dtype: 'f32' as const, shape: [1] })
  const path = join(folder, 'strange.onnx')
  await writeFile(path, encodeModel(modelOf({ name: 'strange', graph, inputs: [value('x')], outputs: [value('y')] })))
  const model = await openOnnxModel(path)
  const run = () => model.run({ x: tf.tensor1d([1]) }, { weights: () => tf.scalar(0) })
  expect(run).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', message: expect.stringContaining('ONNX Runtime refuses the graph') }))
  await model.close!()
})

/** Rows of a table of 4 by their numbers. */
const lookUp = async (): Promise<OnnxModel> => {
  const graph = graphBuilder('node_')
  graph.rename(
    graph.op('Gather', [graph.op('Mul', [graph.constant('f32', [4, 1], [1, 2, 3, 4]), graph.constant('f32', [1], [2])]), 'rows']),
    'y',
  )
  const path = join(folder, 'rows.onnx')
  const values = {
    inputs: [{ name: 'rows', dtype: 'i64' as const, shape: [1] }],
    outputs: [{ name: 'y', dtype: 'f32' as const, shape: [1, 1] }],
  }
  await writeFile(path, encodeModel(modelOf({ name: 'rows', graph, ...values })))
  return openOnnxModel(path)
}

it('says in its own words where the runtime stops, and on what', async () => {
  const model = await lookUp()
  const { weights } = await loadModel(model)
  const run = (row: number) => tf.tidy(() => model.run({ rows: tf.tensor1d([row], 'int32') }, { weights }).y.dataSync()[0])
  expect(run(3)).toBe(8)
  expect(() => run(4)).toThrow(
    expect.objectContaining({
      code: 'BAD_DATA',
      message: expect.stringMatching(
        /^ONNX Runtime stopped: .*indices element out of data bounds.*\nCheck that .* on inputs of these shapes: rows \(1\)\.$/,
      ),
    }),
  )
  await model.close!()
})

it('refuses inputs that are no numbers, and graphs without one', async () => {
  const nodes = graphBuilder('node_')
  nodes.rename(nodes.op('Relu', ['x']), 'y')
  const value = (name: string) => ({ name, dtype: 'f32' as const, shape: [1] })
  const proto = modelOf({ name: 'text', graph: nodes, inputs: [value('x'), value('label')], outputs: [value('y')] })
  ;(proto.graph!.input[1].type!.value.value as { elemType: number }).elemType = 8
  await writeFile(join(folder, 'text.onnx'), encodeModel(proto))
  const model = await open('text')
  const x = tf.tensor1d([1])
  expect(() => model.run({ x, label: x }, { weights: () => x })).toThrow(
    expect.objectContaining({
      code: 'UNSUPPORTED',
      message: 'The graph\'s input "label" is of type string, and inputs here are numbers.\nCut the graph behind what reads it.',
    }),
  )
  await model.close!()
  const graph = graphBuilder('node_')
  graph.rename(graph.op('Relu', [graph.constant('f32', [1], [1])]), 'y')
  const path = join(folder, 'constant.onnx')
  const outputs = [{ name: 'y', dtype: 'f32' as const, shape: [1] }]
  await writeFile(path, encodeModel(modelOf({ name: 'constant', graph, inputs: [], outputs })))
  await expect(openOnnxModel(path)).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: 'The graph takes no input.\nGive the one that computes from inputs.',
  })
})

it('says what holds weights where no site is', async () => {
  const write = async (type: string, operands: readonly string[]): Promise<OnnxModel> => {
    const graph = graphBuilder('node_')
    graph.rename(graph.op(type, operands), 'y')
    const initializers = [initializer('w', [32, 64], values(2048, 1)), initializer('tiny', [2, 2], values(4, 2))]
    const value = (name: string) => ({ name, dtype: 'f32' as const, shape: [32, 64] })
    const proto = modelOf({ name: 'other', graph, inputs: [value('x')], outputs: [value('y')], initializers })
    await writeFile(join(folder, 'other.onnx'), encodeModel(proto))
    return open('other')
  }
  const model = await write('Mul', ['x', 'w'])
  expect(model.others).toEqual([{ name: 'w', operator: 'Mul', bytes: 8192 }])
  await expect(compress(model, rtn())).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: 'rtn finds no site to work on.\nThe model has no sites: Mul takes "w" (8192 bytes).',
  })
  await model.close!()
  const plain = await write('Relu', ['x'])
  expect(plain.others).toEqual([{ name: 'w', operator: 'nothing', bytes: 8192 }])
  await plain.close!()
  const known = await open('mlp')
  expect(known).not.toHaveProperty('others')
  await known.close!()
})

it('names an input that is missing', async () => {
  const model = await open('mlp')
  const { weights } = await loadModel(model)
  expect(() => model.run({}, { weights })).toThrow('The graph wants an input "x".')
  await model.close!()
})
