import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, decode, forward, loadModel, pipeline, type Step } from '@tersor/core'
import { encodeModel, graphBuilder, modelOf, onnxSink } from '@tersor/formats/onnx'
import { svd } from '@tersor/low-rank'
import { magnitude, sparseGpt, wanda } from '@tersor/pruning'
import { gptq, quantizeActivations, rtn } from '@tersor/quantization'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeConvolution, writeMlp } from '../../formats/src/onnx/toy-graph.reference.js'
import { openOnnxModel, type OnnxModel } from './onnx-model.js'

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
const images = (): tf.Tensor => tf.tidy(() => tf.sin(tf.reshape(tf.range(0, 2 * 192), [2, 3, 8, 8])))

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
  expect(model.stages[0].sites[0].convolution).toEqual({ kernel: [3, 3], strides: [2, 2], padding: [1, 1, 1, 1] })
  const small = await compress(model, gptq({ bits: 4, group: 27 }), { calibration: [images()] })
  const plain = await compress(model, rtn({ bits: 4, group: 27 }))
  const expected = await outputs(model, images())
  const error = async (other: OnnxModel) => (await outputs(other, images())).reduce((sum, value, i) => sum + (value - expected[i]) ** 2, 0)
  expect(await error(small)).toBeLessThan(await error(plain))
  await model.close!()
})

it('says what the runtime says of a graph that it refuses', async () => {
  const graph = graphBuilder('node_')
  graph.rename(graph.op('NoSuchOperator', ['x']), 'y')
  const value = (name: string) => ({ name, dtype: 'f32' as const, shape: [1] })
  const path = join(folder, 'strange.onnx')
  await writeFile(path, encodeModel(modelOf({ name: 'strange', graph, inputs: [value('x')], outputs: [value('y')] })))
  const model = await openOnnxModel(path)
  const run = () => model.run({ x: tf.tensor1d([1]) }, { weights: () => tf.scalar(0) })
  expect(run).toThrow(expect.objectContaining({ code: 'UNSUPPORTED', message: expect.stringContaining('ONNX Runtime refuses the graph') }))
  await model.close!()
})

it('names an input that is missing', async () => {
  const model = await open('mlp')
  const { weights } = await loadModel(model)
  expect(() => model.run({}, { weights })).toThrow('The graph wants an input "x".')
  await model.close!()
})

it('writes the grids of inputs that a step has laid, and says which have no place', async () => {
  const model = await open('mlp')
  const calibration = [input(40, 0)]
  const write = async (step: Step): Promise<OnnxModel> => {
    const small = await compress(model, step, { calibration })
    const sink = onnxSink(join(folder, 'static.onnx'), { source: model.onnx, overwrite: true })
    for (const name of small.params.names()) await sink.write(name, await small.params.read(name))
    await (
      await sink.finish()
    ).close!()
    return small
  }
  await expect(write(quantizeActivations({ bits: 4, only: '*' }))).rejects.toThrow(
    'ONNX has no place for 2 of the tensors: node_MatMul_0.input_zero_point rounds inputs to 4 bits',
  )
  const small = await write(pipeline(rtn({ bits: 8, granularity: 'row', only: '*' }), quantizeActivations({ bits: 8, only: '*' })))
  const written = await open('static')
  const types = written.onnx.graph.node.map(({ opType }) => opType)
  expect(types.filter(type => type === 'QuantizeLinear')).toHaveLength(2)

  // what the first site multiplies is its input on the grid
  const read = async (name: string) => (await decode(await small.params.read(name)).data())[0]
  const [scale, zero] = [await read('node_MatMul_0.input_scale'), await read('node_MatMul_0.input_zero_point')]
  const x = input(3, 2)
  const expected = (await x.data()).map(value => scale * (Math.min(255, Math.max(0, Math.round(value / scale) + zero)) - zero))
  const { weights, dispose } = await loadModel(written)
  const seen: Float32Array[] = []
  tf.tidy(() => void written.stages[0].run(x, { weights, tap: (_site, value) => seen.push(value.dataSync() as Float32Array) }))
  dispose()
  expect(largestDifference(seen[0], expected)).toBeLessThan(1e-5)
  expect(largestDifference(seen[0], await x.data())).toBeGreaterThan(1e-3)
  tf.dispose(calibration)
  await model.close!()
  await written.close!()
})
