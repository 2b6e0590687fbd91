import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { preprocess, type Preprocessing } from './preprocessing.js'

beforeAll(() => tf.setBackend('cpu'))

/** 2 × 4 pixels of two channels: the column in the first, 100 in the second. */
const image = (): tf.Tensor4D => tf.tensor4d(Array.from({ length: 8 }, (_, i) => [51 * (i % 4), 102]).flat(), [1, 2, 4, 2])

const run = async (preprocessing: Preprocessing) => {
  const x = image()
  const before = tf.memory().numTensors
  const y = preprocess(x, preprocessing)
  expect(tf.memory().numTensors).toBe(before + 1)
  const values = Array.from(await y.data(), value => Math.round(value * 1000) / 1000)
  tf.dispose([x, y])
  return { shape: y.shape, values }
}

it('crops around the middle, normalises and moves channels, by hand', async () => {
  expect(await run({ size: [2, 2] })).toEqual({ shape: [1, 2, 2, 2], values: [0.2, 0.4, 0.4, 0.4, 0.2, 0.4, 0.4, 0.4] })
  const normalised = { size: [2, 2], mean: [0.2, 0.5], deviation: [0.1, 0.5], layout: 'nchw' } as const
  expect(await run(normalised)).toEqual({ shape: [1, 2, 2, 2], values: [0, 2, 0, 2, -0.2, -0.2, -0.2, -0.2] })
})

it('scales to the size', async () => {
  expect(await run({ size: [1, 1] })).toEqual({ shape: [1, 1, 1, 2], values: [expect.any(Number), 0.4] })
  expect((await run({ size: [4, 8] })).shape).toEqual([1, 4, 8, 2])
})

it.each([
  [{ size: [16000, 2] }, 'preprocessing has the size [16000,2].\nPass height and width in pixels, up to 4096.'],
  [{ size: [0, 2] }, 'preprocessing has the size [0,2].\nPass height and width in pixels, up to 4096.'],
  [{ size: [2, 2], mean: [1] }, 'preprocessing has 1 values for mean, and the images have 2 channels.\nPass one a channel.'],
  [{ size: [2, 2], deviation: [1, 0] }, 'preprocessing has mean [] and deviation [1,0].\nPass finite means and deviations above 0.'],
  [{ size: [2, 2], layout: 'chw' }, 'preprocessing has the layout "chw".\nPass nhwc or nchw.'],
])('refuses %j', (preprocessing, message) => {
  const x = image()
  expect(() => preprocess(x, preprocessing as unknown as Preprocessing)).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message }))
  x.dispose()
})
