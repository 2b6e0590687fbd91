import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { bestFirst, ridgeOf, unpredicted } from './ridge-order.js'

beforeAll(() => tf.setBackend('ort'))

it('scores channels by what ridge regression from all of them says: C = diag(9, 1, 0.25), λ = 1', async () => {
  const left = await unpredicted(Float32Array.from([9, 0, 0, 0, 1, 0, 0, 0, 0.25]), 3, 1)
  expect([...left].map(each => (1 - each).toFixed(6))).toEqual(['0.900000', '0.500000', '0.200000'])
})

it('leaves less of channels that say something of their own: C = [[2, 1], [1, 2]], λ = 1', async () => {
  const left = await unpredicted(Float32Array.from([2, 1, 1, 2]), 2, 1)
  for (const each of left) expect(each).toBeCloseTo(3 / 8, 6) // the inverse of [[3, 1], [1, 3]] is [[3, −1], [−1, 3]] / 8
})

it('tells channels apart whose scores are all 1 in floats', async () => {
  const left = await unpredicted(Float32Array.from([4e8, 0, 0, 8e8]), 2, 1)
  expect(left[0] / left[1]).toBeCloseTo(2, 5)
})

it('takes λ in mean squares of the channels, and something where there are none', () => {
  expect(ridgeOf(Float32Array.from([3, 0, 0, 1]), 2, 0.5)).toBe(1)
  expect(ridgeOf(new Float32Array(4), 2, 0.5)).toBe(0.5)
})

it('orders units within their groups, of equal ones the first', () => {
  expect(bestFirst([0.2, 0.1, 0.3, 0.5, 0.5, 0.4], 3)).toEqual([1, 0, 2, 5, 3, 4])
})
