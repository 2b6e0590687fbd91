import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { batchMoments, runningMoments } from './batch-moments.js'

beforeAll(() => tf.setBackend('cpu'))

it('measures each channel over batch, height and width, and keeps the unbiased variance', async () => {
  const y = tf.tensor4d([1, 10, 3, 10, 5, 30, 7, 30], [2, 2, 1, 2]) // channels 1 3 5 7 and 10 10 30 30
  const moments = batchMoments(y)
  expect([...(await moments.mean.data())]).toEqual([4, 20])
  expect([...(await moments.variance.data())]).toEqual([5, 100])
  const stored = { mean: tf.tensor1d([0, 20]), variance: tf.tensor1d([1, 1]) }
  const next = runningMoments(stored, moments, { count: 4, momentum: 0.1 })
  ;[0.4, 20].forEach((value, i) => expect(next.mean.dataSync()[i]).toBeCloseTo(value, 5))
  ;[0.9 + 0.1 * (20 / 3), 0.9 + 0.1 * (400 / 3)].forEach((value, i) => expect(next.variance.dataSync()[i]).toBeCloseTo(value, 4))
})

it('keeps the variance of a batch of one, which has no unbiased estimate', () => {
  const stored = { mean: tf.zeros([1]), variance: tf.ones([1]) }
  const next = runningMoments(stored, batchMoments(tf.tensor2d([[3]])), { count: 1, momentum: 0.5 })
  expect([next.mean, next.variance].map(each => each.dataSync()[0])).toEqual([1.5, 0.5])
})
