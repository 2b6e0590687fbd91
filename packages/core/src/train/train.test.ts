import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { picoModel, useEngine } from '@tersor/testing'
import { fromFloat32, type Dense } from '@tersor/tensor'
import { decode } from '../model/decode.js'
import { adam } from './adam.js'
import { chain, warmupCosine } from './gradient-transform.js'
import { crossEntropy, type Loss } from './losses.js'
import type { Parametrization } from './parametrization.js'
import { sgd } from './sgd.js'
import { train, type TrainOptions } from './train.js'

useEngine()

const target = (input: tf.Tensor2D) => tf.tidy(() => tf.slice(input, [0, 0], [-1, 8]))
const data: TrainOptions['data'] = (_step, rng) => {
  const input = tf.tensor2d(
    Float32Array.from({ length: 64 * 16 }, () => rng.normal()),
    [64, 16],
  )
  return { input, target: target(input) }
}
const squares: Loss = (output, batch) => tf.mean(tf.square(tf.sub(output, batch.target))) as tf.Scalar
const options: TrainOptions = { objective: squares, transform: adam({ learningRate: 0.02 }), data, steps: 60, seed: 3 }

const losses = async (extra: Partial<TrainOptions> = {}): Promise<number[]> => {
  const seen: number[] = []
  await train(picoModel(), { ...options, ...extra, onProgress: event => event.type === 'trained' && seen.push(event.loss) })
  return seen
}

it('lowers the loss, and repeats it for the same seed', async () => {
  const first = await losses()
  expect(first[59]).toBeLessThan(0.2 * first[0])
  expect(await losses()).toEqual(first)
  expect((await losses({ seed: 4 }))[0]).not.toBe(first[0])
})

it('keeps names, shapes and dtypes, and leaves no tensor behind', async () => {
  const before = tf.memory().numTensors
  const trained = await train(picoModel({ dtype: 'bf16' }), { ...options, steps: 2, clipNorm: 1 })
  expect(trained.params.info('layers.0.weight')).toMatchObject({ shape: [32, 16], dtype: 'bf16' })
  expect(tf.memory().numTensors).toBe(before)
})

it('stops on a signal and frees everything', async () => {
  const before = tf.memory().numTensors
  const controller = new AbortController()
  const onProgress = () => controller.abort(new Error('enough'))
  await expect(train(picoModel(), { ...options, signal: controller.signal, onProgress })).rejects.toThrow('enough')
  expect(tf.memory().numTensors).toBe(before)
})

it('tells a loss that is no number and steps that are none', async () => {
  await expect(train(picoModel(), { ...options, transform: sgd({ learningRate: 1e30 }) })).rejects.toThrow(
    'Lower the learning rate, lengthen the warm-up or set clipNorm.',
  )
  await expect(train(picoModel(), { ...options, steps: 0 })).rejects.toThrow(
    'train takes steps of at least 1, got 0.\nPass a positive integer.',
  )
})

it('trains what a parametrization makes of the weight, and stores what it finishes', async () => {
  const masked: Parametrization<{ weight: tf.Tensor; mask: tf.Tensor }> = {
    name: 'masked',
    init: (_site, weight) => ({ weight: tf.clone(weight), mask: tf.cast(tf.greater(weight, 0), 'float32') }),
    weight: ({ weight, mask }) => tf.mul(weight, mask),
    constraint: ({ weight, mask }) => ({ weight: tf.clipByValue(weight, -0.5, 0.5), mask: tf.cast(tf.greater(mask, 0.5), 'float32') }),
    finish: async ({ weight, mask }) => {
      const product = tf.tidy(() => tf.mul(weight, mask))
      const values = await product.data<'float32'>()
      product.dispose()
      return fromFloat32(values, 'f32', weight.shape)
    },
  }
  const source = picoModel()
  const before = decode(await source.params.read('layers.0.weight'))
  const signs = await before.data()
  before.dispose()
  const trained = (await (await train(source, { ...options, steps: 5, parametrize: masked })).params.read('layers.0.weight')) as Dense
  const values = new Float32Array(trained.bytes.slice().buffer)
  values.forEach((value, i) => signs[i] <= 0 && expect(Math.abs(value)).toBe(0))
  expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(0.5)
})

/** Read without blocking, which WebGPU cannot. */
const valueOf = async (tensor: tf.Tensor) => (await tensor.data())[0]

describe('by hand', () => {
  beforeEach(() => tf.engine().startScope())
  afterEach(() => tf.engine().endScope())

  it('steps as Adam does', async () => {
    const { init, update } = adam({ learningRate: 0.1, weightDecay: 0.5 })
    const parameter = tf.tensor2d([[2]])
    const context = { parameter, step: 0, rng: undefined as never }
    const [first, state] = update(tf.tensor2d([[3]]), init([1, 1]), context)
    expect(await valueOf(first)).toBeCloseTo(-0.1 - 0.1 * 0.5 * 2, 5) // m̂ / √v̂ = 1, plus decay
    const [second] = update(tf.tensor2d([[-1]]), state, { ...context, step: 1 })
    const [m, v] = [(0.9 * 0.3 - 0.1) / (1 - 0.81), (0.999 * 0.009 + 0.001) / (1 - 0.999 ** 2)]
    expect(await valueOf(second)).toBeCloseTo((-0.1 * m) / Math.sqrt(v) - 0.1, 4)
  })

  it('steps as momentum does, and chains', async () => {
    const both = chain(sgd({ learningRate: -1, momentum: 0.5 }), sgd({ learningRate: 0.1 }))
    const context = { parameter: tf.scalar(0), step: 0, rng: undefined as never }
    const [first, state] = both.update(tf.scalar(2), both.init([]), context)
    const [second] = both.update(tf.scalar(2), state, context)
    expect([await valueOf(first), await valueOf(second)]).toEqual([expect.closeTo(-0.2), expect.closeTo(-0.3)])
    expect(both.name).toBe('chain(sgd, sgd)')
  })

  it('warms up and falls along a cosine', () => {
    const rate = warmupCosine({ peak: 1, warmup: 10, steps: 110, floor: 0.1 })
    expect([rate(0), rate(9), rate(10), rate(60), rate(110), rate(500)].map(value => Math.round(value * 1000) / 1000)).toEqual([
      0.1, 1, 1, 0.55, 0.1, 0.1,
    ])
  })

  it('is the cross-entropy of the target', async () => {
    const output = tf.tensor3d([[[0, Math.log(3)], [0, 0]]]) // prettier-ignore
    const loss = crossEntropy(output, { input: output, target: tf.tensor2d([[1, 0]], [1, 2], 'int32') })
    expect(await valueOf(loss)).toBeCloseTo((-Math.log(0.75) - Math.log(0.5)) / 2, 6)
  })
})
