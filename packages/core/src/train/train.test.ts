import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { picoModel, useEngine } from '@tersor/testing'
import { fromFloat32, type Dense } from '@tersor/tensor'
import { decode } from '../model/decode.js'
import { adam } from './adam.js'
import { clip } from './clip.js'
import { chain } from './gradient-transform.js'
import type { Loss } from './losses.js'
import type { Parametrization } from './parametrization.js'
import { sgd } from './sgd.js'
import { train } from './train.js'
import type { TrainOptions } from './train-options.js'

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
const options: TrainOptions = { objective: squares, transform: adam({ learningRate: 0.02 }), data, steps: 20, seed: 3 }

const losses = async (extra: Partial<TrainOptions> = {}): Promise<number[]> => {
  const seen: number[] = []
  await train(picoModel(), { ...options, ...extra, onProgress: event => event.type === 'trained' && seen.push(event.loss) })
  return seen
}

it('lowers the loss, and repeats it for the same seed', async () => {
  const first = await losses()
  expect(first[19]).toBeLessThan(0.2 * first[0])
  expect(await losses()).toEqual(first)
  expect((await losses({ seed: 4, steps: 1 }))[0]).not.toBe(first[0])
})

it('keeps names, shapes and dtypes, and leaves no tensor behind', async () => {
  const before = tf.memory().numTensors
  const trained = await train(picoModel({ dtype: 'bf16' }), {
    ...options,
    steps: 2,
    transform: chain(clip({ norm: 1 }), options.transform),
  })
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
    'Lower the learning rate, lengthen the warm-up or put clip({ norm: 1 }) before the optimiser.',
  )
  await expect(train(picoModel(), { ...options, steps: 0 })).rejects.toThrow(
    'train takes steps of at least 1, got 0.\nPass a positive integer.',
  )
})

it('trains what a parametrization makes of the weight, and stores what it finishes', async () => {
  const masked: Parametrization<{ weight: tf.Tensor; mask: tf.Tensor }> = {
    name: 'masked',
    init: weight => ({ weight: tf.clone(weight), mask: tf.cast(tf.greater(weight, 0), 'float32') }),
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
  expect(values.filter((value, i) => signs[i] <= 0 && value !== 0)).toHaveLength(0)
  expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(0.5)
})
