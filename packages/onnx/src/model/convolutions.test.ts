import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, forward, loadModel, withStoredGrids } from '@tersor/core'
import { rowsOf } from '@tersor/core/internal/model/unfold'
import { encodeModel, graphBuilder, modelOf, onnxSink, type AttributeValue } from '../file.js'
import { gptq, quantizeActivations, rtn } from '@tersor/quantization'
import { toFloat32, type Dense } from '@tersor/tensor'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { floats, runOnnx } from '../file/run.fixture.js'
import { initializer, values } from '../file/toy-graph.fixture.js'
import { openOnnxModel, type OnnxModel } from '../model.js'

let folder = ''
const path = (): string => join(folder, 'convolution.onnx')
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-walks-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

interface Walk {
  readonly shape: readonly number[]
  readonly weight: readonly number[]
  readonly attributes: Readonly<Record<string, AttributeValue>>
  readonly operator?: string
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

/** Inputs whose neighbours are alike, as those of pictures and sounds are. */
const smooth = ({ shape }: Pick<Walk, 'shape'>): Float32Array => {
  const given = values(size(shape), 7)
  given.forEach((value, i) => (given[i] = i === 0 ? value : 0.7 * given[i - 1] + 0.5 * value))
  return given
}

const opened = async ({ shape, weight, attributes, operator = 'Conv' }: Walk): Promise<OnnxModel> => {
  const graph = graphBuilder('node_')
  graph.rename(graph.op(operator, ['x', 'w'], { attributes }), 'y')
  const model = modelOf({
    ...{ name: 'walk', graph, initializers: [initializer('w', weight, values(size(weight), 3))] },
    inputs: [{ name: 'x', dtype: 'f32', shape: ['batch', ...shape.slice(1)] }],
    outputs: [{ name: 'y', dtype: 'f32', shape: [] }],
  })
  delete (model.graph!.output[0].type!.value.value as { shape?: unknown }).shape // the runtime finds it
  await writeFile(path(), encodeModel(model))
  return openOnnxModel(path())
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length)
  return Array.from(a, (value, i) => Math.abs(value - b[i])).reduce((most, each) => Math.max(most, each), 0)
}

const outputOf = async (model: OnnxModel, x: tf.Tensor): Promise<Float32Array> => {
  const { weights, dispose } = await loadModel(model)
  const y = tf.tidy(() => forward(model, x, withStoredGrids(model, { weights })))
  const data = await y.data<'float32'>()
  y.dispose()
  dispose()
  return data
}

/** What the runtime computes from the file that is written, on the inputs of a walk. */
const written = async (model: OnnxModel, small: OnnxModel, { shape }: Walk): Promise<ArrayLike<number>> => {
  const out = join(folder, 'small.onnx')
  const sink = onnxSink(out, { source: model.onnx, overwrite: true })
  for (const each of small.params.names()) await sink.write(each, await small.params.read(each))
  await (await sink.finish()).close?.()
  return (await runOnnx(out, { x: floats(smooth({ shape }), shape) }, 'disabled')).y.data
}

const LINES: Readonly<Record<string, Walk>> = {
  'a line': { shape: [2, 6, 20], weight: [8, 6, 5], attributes: {} },
  'a line with strides and uneven zeros': { shape: [2, 6, 20], weight: [8, 6, 5], attributes: { strides: [3], pads: [4, 1] } },
  'a line with holes, of the past alone': { shape: [2, 6, 20], weight: [8, 6, 3], attributes: { dilations: [4], pads: [8, 0] } },
  'a line that keeps its size': { shape: [2, 6, 21], weight: [8, 6, 4], attributes: { auto_pad: 'SAME_LOWER' } },
  'an image with holes': { shape: [2, 6, 9, 8], weight: [8, 6, 3, 3], attributes: { dilations: [2, 2] } },
  'an image with uneven holes, strides and zeros': {
    shape: [2, 6, 9, 8],
    weight: [8, 6, 2, 3],
    attributes: { dilations: [3, 2], strides: [2, 1], pads: [1, 0, 2, 3] },
  },
  'a line in two groups': { shape: [2, 8, 20], weight: [6, 4, 5], attributes: { group: 2, pads: [2, 1] } },
  'an image in three groups': { shape: [2, 9, 9, 8], weight: [6, 3, 3, 2], attributes: { group: 3, strides: [2, 1] } },
  'an image channel by channel': { shape: [2, 6, 12, 11], weight: [6, 1, 3, 3], attributes: { group: 6, pads: [1, 1, 0, 2] } },
  'an image with two kernels a channel': { shape: [2, 4, 12, 11], weight: [8, 1, 3, 3], attributes: { group: 4 } },
  'an image that keeps its size': { shape: [2, 6, 9, 8], weight: [8, 6, 2, 4], attributes: { auto_pad: 'SAME_UPPER' } },
}

describe.each(Object.keys(LINES))('a convolution over %s', name => {
  const walk = LINES[name]
  let [model, x]: [OnnxModel, tf.Tensor] = [undefined!, undefined!]
  beforeAll(async () => {
    model = await opened(walk)
    x = tf.tensor(smooth(walk), [...walk.shape])
  })
  afterAll(async () => {
    x.dispose()
    await model.close!()
  })

  it('shows rows whose product with its weight is what the runtime computes', async () => {
    const { y } = await runOnnx(path(), { x: floats(smooth(walk), walk.shape) })
    const { weights, dispose } = await loadModel(model)
    const shown: tf.Tensor[] = []
    tf.tidy(() => {
      const tap = (site: Parameters<typeof rowsOf>[0], input: tf.Tensor): void => {
        const rows = rowsOf(site, input)
        const matrix = tf.reshape(weights(site.weight), [walk.weight[0], -1])
        shown.push(tf.keep(tf.matMul(rows, matrix, false, true))) // (batch · places, out)
      }
      forward(model, x, { weights, tap })
    })
    expect(shown).toHaveLength(1)
    const products = await shown[0].data()
    const [batch, out] = y.dims
    const places = size(y.dims) / batch / out
    const { group: groups = 1 } = walk.attributes as { readonly group?: number }
    // groups are images one after the other; channels with one kernel each follow each other at each place
    const rowOf = (image: number, place: number, channel: number): number =>
      groups === out
        ? (image * places + place) * groups + channel
        : (image * groups + Math.floor((channel * groups) / out)) * places + place
    const found = Array.from(y.data, (_, i) => {
      const [image, channel, place] = [Math.floor(i / places / out), Math.floor(i / places) % out, i % places]
      return products[rowOf(image, place, channel) * out + channel]
    })
    expect(largest(found, y.data)).toBeLessThan(1e-4)
    tf.dispose(shown)
    dispose()
  })

  it('is rounded by what it multiplies: GPTQ changes outputs less than rounding to nearest, and what is written is that', async () => {
    const before = await outputOf(model, x)
    const rounded = async (method: typeof gptq | typeof rtn) => {
      const small = await compress(model, method({ bits: 3, granularity: 'row', only: '*' }), { calibration: [x] })
      const after = await outputOf(small, x)
      return { small, after, error: Array.from(after, (value, i) => (value - before[i]) ** 2).reduce((a, b) => a + b) }
    }
    const [learned, nearest] = [await rounded(gptq), await rounded(rtn)]
    expect(learned.error).toBeLessThan(0.9 * nearest.error)
    expect(largest(await written(model, learned.small, walk), learned.after)).toBeLessThan(1e-4)
  })

  it('has its input on a grid where one is learned', async () => {
    const small = await compress(model, quantizeActivations({ bits: 8, only: '*' }), { calibration: [x] })
    const [scale] = small.params.names().filter(each => each.endsWith('.input_scale'))
    const [step] = toFloat32((await small.params.read(scale)) as Dense)
    const after = await outputOf(small, x)
    const moved = largest(after, await outputOf(model, x))
    expect(moved).toBeGreaterThan(1e-4)
    // half a step of the grid on each input that a sum has
    expect(moved).toBeLessThan((size(walk.weight.slice(1)) * step) / 2)
    expect(largest(await written(model, small, walk), after)).toBeLessThan(1e-4)
  })
})

it.each([
  ['a volume', { shape: [1, 2, 5, 5, 5], weight: [4, 2, 3, 3, 3], attributes: {} }],
  ['what grows', { shape: [1, 4, 12], weight: [4, 6, 3], attributes: {}, operator: 'ConvTranspose' }],
  ['zeros that hang on the size', { shape: [1, 4, 12], weight: [4, 4, 3], attributes: { strides: [2], auto_pad: 'SAME_UPPER' } }],
] as const)('a convolution over %s is a site that methods are not shown', async (_, walk) => {
  const model = await opened(walk)
  expect(model.stages[0].sites).toHaveLength(1)
  const x = tf.tensor(values(size(walk.shape), 7), [...walk.shape])
  const { weights, dispose } = await loadModel(model)
  const seen: string[] = []
  tf.tidy(() => void forward(model, x, { weights, tap: site => seen.push(site.name) }))
  expect(seen).toEqual([])
  x.dispose()
  dispose()
  await model.close!()
})
