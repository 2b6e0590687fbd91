import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, forward, loadModel, shrink, switchedOff, type Change, type Model } from '@tersor/core'
import { structured } from '@tersor/pruning'
import { temporaryFolder } from '../../../formats/src/files/failing-file-system.fixture.js'
import { fromFloat32 } from '@tersor/tensor'
import { rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { onnxSink, openOnnx } from '../file.js'
import { floats, largestDifference, runOnnx } from '../file/run.fixture.js'
import { openOnnxModel, type OnnxModel } from '../model.js'
import { IMAGE_NETWORK, smallGraph, type SmallGraph } from './coupled-graphs.fixture.js'
import { between, THROUGH } from './coupled-operators.fixture.js'

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await temporaryFolder()
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const open = async (graph: SmallGraph): Promise<OnnxModel> => {
  await writeFile(join(folder, 'large.onnx'), smallGraph(graph))
  return openOnnxModel(join(folder, 'large.onnx'))
}

const IMAGES = Float32Array.from({ length: 2 * 192 }, (_, i) => Math.sin(i))

const ours = async (model: Model, shape = [2, 3, 8, 8]): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const x = tf.tensor(
    IMAGES.subarray(
      0,
      shape.reduce((a, b) => a * b),
    ),
    shape,
  )
  const y = forward(model, x, { weights })
  const data = await y.data<'float32'>()
  tf.dispose([x, y])
  dispose()
  return data
}

/** Of each coupling every second unit, the last one first. */
const half = ({ couplings = [] }: Model): Change => ({
  keep: new Map(couplings.map(({ name, units }) => [name, Array.from({ length: Math.ceil(units / 2) }, (_, i) => units - 1 - 2 * i)])),
})

const write = async (source: OnnxModel, small: Model, path: string): Promise<string> => {
  const sink = onnxSink(path, { source: source.onnx, overwrite: true })
  for (const name of small.params.names()) await sink.write(name, await small.params.read(name))
  await (
    await sink.finish()
  ).close!()
  return path
}

const inRuntime = async (path: string): Promise<ArrayLike<number>> => (await runOnnx(path, { x: floats(IMAGES, [2, 3, 8, 8]) })).y.data

it.each(THROUGH)('the runtime gives what the large graph gives without the units: %s', async (_what, graph) => {
  const model = await open(graph)
  const change = half(model)
  const expected = await ours(switchedOff(model, change))
  expect(largestDifference(expected, await ours(model))).toBeGreaterThan(1e-3)
  const small = await shrink(model, change)
  expect(largestDifference(await ours(small), expected)).toBeLessThan(1e-5)
  const path = await write(model, small, join(folder, 'small.onnx'))
  expect(largestDifference(await inRuntime(path), expected)).toBeLessThan(1e-5)
  await model.close!()
})

it('writes a graph that says nothing wrong: shapes, groups and weights, from either graph, and again what was read', async () => {
  const model = await open(IMAGE_NETWORK)
  const change = half(model)
  const expected = await ours(switchedOff(model, change))
  const small = await shrink(model, change)
  for (const source of [model, small]) {
    const path = await write(source, small, join(folder, 'small.onnx'))
    expect(largestDifference(await inRuntime(path), expected)).toBeLessThan(1e-5)
    const again = await openOnnxModel(path)
    expect(again.onnx.params.info('hidden').shape).toEqual([4, 80]) // 3 and 2 channels of 16 places
    expect(again.onnx.graph.node.flatMap(({ attribute }) => attribute).find(({ name }) => name === 'group')!.i).toBe(5n)
    expect(again.couplings!.map(({ units }) => units)).toEqual([3, 5, 2, 2, 4])
    const twice = half(again)
    const more = await shrink(again, twice)
    expect(largestDifference(await ours(more), await ours(switchedOff(again, twice)))).toBeLessThan(1e-5)
    await again.close!()
  }
  await model.close!()
})

it('declares nothing of values that changed', async () => {
  const model = await open(between(g => g.node('Conv', [g.node('Relu', [g.node('Conv', ['x', 'w'])]), 'read'])))
  const { graph } = model.onnx
  const declared = (name: string, channels: number) => {
    const value = structuredClone(graph.input[0])
    const { value: type } = value.type!
    if (type.case === 'tensorType') type.value.shape!.dim[1].value = { case: 'dimValue', value: BigInt(channels) }
    return { ...value, name }
  }
  graph.valueInfo = [declared('node_Relu_1', 4), declared('node_Conv_2', 2)]
  const small = await shrink(model, half(model))
  expect(small.onnx.graph.valueInfo.map(({ name }) => name)).toEqual(['node_Conv_2'])
  await model.close!()
})

it('is what structured makes of a graph, with a warning for units that stay whole', async () => {
  const model = await open(IMAGE_NETWORK)
  const warnings: string[] = []
  const small = await compress(model, structured({ units: ['channels', 'neurons'], keep: 0.5 }), {
    onProgress: event => event.type === 'warning' && warnings.push(event.message),
  })
  expect(warnings).toEqual(['units of "head" stay whole: they are what the graph gives.'])
  const path = await write(model, small, join(folder, 'small.onnx'))
  expect((await stat(path)).size).toBeLessThan(0.6 * (await stat(join(folder, 'large.onnx'))).size)
  expect(largestDifference(await inRuntime(path), await ours(small))).toBeLessThan(1e-5)
  expect(largestDifference(await inRuntime(path), await ours(model))).toBeGreaterThan(1e-3)
  await model.close!()
})

it('streams into a file, as the command line does', async () => {
  const model = await open(IMAGE_NETWORK)
  const path = join(folder, 'streamed.onnx')
  const made = await compress(model, structured({ units: ['channels'], keep: 0.5 }), {
    sink: ({ params: _, ...given }) => onnxSink(path, { source: (given as OnnxModel).onnx, overwrite: true }),
  })
  const again = await openOnnxModel(path)
  expect(again.couplings!.map(({ units }) => units)).toEqual([3, 5, 2, 2, 7])
  expect(largestDifference(await inRuntime(path), await ours(again))).toBeLessThan(1e-5)
  await again.close!()
  await made.params.close?.()
  await model.close!()
})

const thrown = async (work: () => Promise<unknown>): Promise<{ readonly code: string; readonly lines: readonly string[] }> => {
  const error = (await work().then(
    () => undefined,
    (cause: unknown) => cause,
  )) as Error & { readonly code: string }
  return { code: error.code, lines: error.message.split('\n') }
}

it('refuses graphs all of whose units stay whole, and says why', async () => {
  const model = await open(
    between(
      g => {
        const shape = g.node(
          'Concat',
          [g.node('Div', [g.node('Slice', [g.node('Shape', ['x']), g.int64([0]), g.int64([1])]), g.int64([1])]), g.int64([256])],
          { axis: 0 },
        )
        return g.node('MatMul', [g.node('Reshape', [g.node('Conv', ['x', 'w']), shape]), 'read'])
      },
      { read: [256, 2] },
    ),
  )
  expect(await thrown(() => compress(model, structured({ units: ['channels'] })))).toEqual({
    code: 'UNSUPPORTED',
    lines: [
      'structured finds no channels in this network.',
      'All of its units stay whole, those of "w" first: Reshape ("node_Reshape_5"): its shape shows when the graph runs.',
    ],
  })
  await model.close!()
})

it('refuses weights that no choice of units gives, and leaves no file', async () => {
  const model = await open(between(g => g.node('Conv', [g.node('Conv', ['x', 'w']), 'read'])))
  const path = join(folder, 'wrong.onnx')
  const sink = onnxSink(path, { source: model.onnx })
  await sink.write('w', fromFloat32(new Float32Array(9), 'f32', [3, 3, 1, 1]))
  expect(await thrown(() => sink.finish())).toEqual({
    code: 'BAD_DATA',
    lines: ['"read" has the shape [2, 4, 1, 1], and the graph takes [2, 3, 1, 1].', 'Cut all weights of a coupling together: shrink does.'],
  })
  await sink.abort()
  await expect(openOnnx(path)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await model.close!()
})
