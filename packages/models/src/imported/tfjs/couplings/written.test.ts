import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import * as tfjsLayers from '@tensorflow/tfjs-layers'
import { compress, forward, loadModel, shrink, switchedOff, type Change, type Model } from '@tersor/core'
import { tfjsSink } from '@tersor/formats/tfjs'
import { structured } from '@tersor/pruning'
import { rtn } from '@tersor/quantization'
import { fromFloat32 } from '@tersor/tensor'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTfjsModel, type TfjsGraphModel } from '../model.js'
import { inTfjs, placeTfjs, smallGraph, smallLayers, type SmallTfjs } from './coupled-tfjs.fixture.js'
import { between, conv, THROUGH } from './graph/coupled-operators.fixture.js'
import { IMAGE_GRAPH, imageLayers } from './image-networks.fixture.js'

let folder = ''
beforeAll(() => tf.setBackend('cpu'))
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'tersor-tfjs-written-'))))
afterEach(() => rm(folder, { recursive: true, force: true }))

const NETWORKS: readonly (readonly [string, () => SmallTfjs])[] = [
  ['a graph', () => smallGraph(IMAGE_GRAPH)],
  ['layers', () => smallLayers(imageLayers(tfjsLayers))],
]

const IMAGES = Float32Array.from({ length: 2 * 192 }, (_, i) => Math.sin(i))
const images = (): tf.Tensor => tf.tensor(IMAGES, [2, 8, 8, 3])

const ours = async (model: Model): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const x = images()
  const y = forward(model, x, { weights })
  const values = await y.data<'float32'>()
  tf.dispose([x, y])
  dispose()
  return values
}
const theirs = async (path: string): Promise<Float32Array> => {
  const x = images()
  const values = await inTfjs(path, x)
  x.dispose()
  return values
}
const apart = (a: Float32Array, b: Float32Array): number =>
  a.length === b.length ? a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) : Infinity

/** Of each coupling every second unit, the last one first. */
const half = ({ couplings = [] }: Model): Change => ({
  keep: new Map(couplings.map(({ name, units }) => [name, Array.from({ length: Math.ceil(units / 2) }, (_, i) => units - 1 - 2 * i)])),
})

const write = async (source: TfjsGraphModel, small: Model, name: string): Promise<string> => {
  const sink = tfjsSink(join(folder, name), { ...source.file, overwrite: true })
  for (const each of small.params.names()) await sink.write(each, await small.params.read(each))
  await (await sink.finish()).close?.()
  return join(folder, name, 'model.json')
}

describe.each(NETWORKS)('%s of images', (_what, make) => {
  it('is written small, from either network, runs in unmodified tfjs with our outputs, and is cut again', async () => {
    const model = await openTfjsModel(await placeTfjs(join(folder, 'large'), make()))
    const change = half(model)
    const expected = await ours(switchedOff(model, change))
    const small = await shrink(model, change)
    for (const source of [model, small]) {
      const path = await write(source, small, 'small')
      expect(apart(await theirs(path), expected)).toBeLessThan(1e-5)
      const again = await openTfjsModel(path)
      expect(again.couplings!.map(({ units }) => units)).toEqual(model.couplings!.map(({ units }) => Math.ceil(units / 2)))
      const twice = half(again)
      expect(apart(await ours(await shrink(again, twice)), await ours(switchedOff(again, twice)))).toBeLessThan(1e-5)
      await again.close?.()
    }
    await model.close?.()
  })

  it('streams into a folder as the command line does, and is compressed on the way', async () => {
    const model = await openTfjsModel(await placeTfjs(join(folder, 'large'), make()))
    const warnings: string[] = []
    const run = async (name: string, step: Parameters<typeof compress>[1]): Promise<string> => {
      const sink = ({ params: _, provenance = [] }: Model) => tfjsSink(join(folder, name), { ...model.file, provenance })
      const made = await compress(model, step, { sink, onProgress: event => event.type === 'warning' && warnings.push(event.message) })
      await made.params.close?.()
      return join(folder, name, 'model.json')
    }
    const path = await run('small', structured({ units: ['channels', 'neurons'], keep: 0.5 }))
    expect(warnings).toEqual([expect.stringMatching(/^units of "head.*" stay whole: they are what the graph gives\.$/)])
    const bytes = async (name: string, file: string) => (await stat(join(folder, name, file))).size
    expect(await bytes('small', 'group1-shard1.bin')).toBeLessThan(0.6 * (await bytes('large', 'weights.bin')))
    const again = await openTfjsModel(path)
    expect(again.provenance!.map(({ method }) => method)).toEqual(['structured'])
    expect(apart(await theirs(path), await ours(again))).toBeLessThan(1e-5)
    await again.close?.()

    const codes = await openTfjsModel(path)
    const coded = await compress(codes, rtn({ bits: 8, granularity: 'tensor', symmetric: false }), {
      sink: () => tfjsSink(join(folder, 'codes'), codes.file),
    })
    expect(apart(await theirs(join(folder, 'codes/model.json')), await ours(coded))).toBeLessThan(1e-5)
    await coded.params.close?.()
    await codes.close?.()
    await model.close?.()
  })

  it('has its couplings without an engine, for its parameters only', async () => {
    const path = await placeTfjs(join(folder, 'large'), make())
    const [whole, only] = [await openTfjsModel(path), await openTfjsModel(path, { parametersOnly: true })]
    expect(only.couplings).toEqual(whole.couplings)
    const small = await shrink(only, half(only))
    expect([small.stages.length, await write(only, small, 'small')]).toEqual([0, join(folder, 'small/model.json')])
    await whole.close?.()
    await only.close?.()
  })
})

it('writes constants that name a cut extent, and leaves the open one open', async () => {
  const [, graph] = THROUGH.find(([what]) => what.startsWith('flattening'))!
  const fixed = { ...graph, build: (g: Parameters<typeof graph.build>[0]) => graph.build({ ...g, ints: (numbers, shape) => g.ints(numbers.length === 2 ? [-1, 64] : numbers, shape) }) } // prettier-ignore
  const model = await openTfjsModel(await placeTfjs(join(folder, 'large'), smallGraph(fixed)))
  const small = await shrink(model, { keep: new Map([[model.couplings![0].name, [3, 0, 2]]]) })
  const again = await openTfjsModel(await write(model, small, 'small'))
  const [name] = again.params.names().filter(each => each.startsWith('const'))
  const { bytes } = (await again.params.read(name)) as { bytes: Uint8Array }
  expect([...new Int32Array(bytes.slice().buffer)]).toEqual([-1, 48])
  const { node } = JSON.parse(await readFile(join(folder, 'small/model.json'), 'utf8')).modelTopology as { node: { name: string; attr: { value: { tensor: { tensorShape: { dim: object[] } } } } }[] } // prettier-ignore
  expect(node.find(each => each.name === 'w')!.attr.value.tensor.tensorShape.dim).toEqual(['1', '1', '3', '3'].map(size => ({ size })))
  await again.close?.()
  await model.close?.()
})

const refusal = async (work: () => Promise<unknown>): Promise<readonly unknown[]> => {
  const error = (await work().catch((thrown: unknown) => thrown)) as Error & { readonly code: string }
  return [error.code, ...error.message.split('\n')]
}

it('refuses weights that no choice of units gives, and leaves no file', async () => {
  const model = await openTfjsModel(await placeTfjs(join(folder, 'large'), smallGraph(between(g => g.node('Conv2D', [conv(g), 'read'])))))
  const sink = tfjsSink(join(folder, 'wrong'), model.file)
  await sink.write('w', fromFloat32(new Float32Array(9), 'f32', [1, 1, 3, 3]))
  await sink.write('read', await model.params.read('read'))
  expect(await refusal(() => sink.finish())).toEqual([
    ...['BAD_DATA', '"read" has the shape [1, 1, 4, 2], and the graph takes [1, 1, 3, 2].'],
    'Cut all weights of a coupling together: shrink does.',
  ])
  await expect(stat(join(folder, 'wrong'))).rejects.toMatchObject({ code: 'ENOENT' })
  await model.close?.()
})

it('refuses networks all of whose units stay whole, and says why: shapes of run time, groups, outputs', async () => {
  const refused = async (build: Parameters<typeof between>[0], weights: Parameters<typeof between>[1] = {}) => {
    const model = await openTfjsModel(await placeTfjs(join(folder, 'large'), smallGraph(between(build, weights))))
    const result = await refusal(() => compress(model, structured({ units: ['channels'] })))
    await model.close?.()
    return result
  }
  const says = (reason: string) => ['UNSUPPORTED', 'structured finds no channels in this network.', `All of its units stay whole, those of "w" first: ${reason}.`] // prettier-ignore
  expect(
    await refused(
      g => g.node('MatMul', [g.node('Reshape', [conv(g), g.node('Abs', [g.node('Shape', ['x'], { out_type: 'int32' })])]), 'read']),
      { read: [256, 2] },
    ),
  ).toEqual(says('Reshape ("Reshape_6"): its shape shows when the graph runs'))
  expect(await refused(g => g.node('Conv2D', [conv(g), 'read']), { read: [1, 1, 2, 2] })).toEqual(says('"read" has another extent'))
  expect(await refused(conv)).toEqual(says('they are what the graph gives'))
})
