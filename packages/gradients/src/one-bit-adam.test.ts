import '@tensorflow/tfjs-backend-cpu'
import { adam, sgd } from '@tersor/core'
import { COLUMNS, exchangeByHand, largestDifference, matrix, ROWS } from './exchange.fixture.js'
import { oneBitAdam } from './one-bit-adam.js'

const SHAPE = [ROWS, COLUMNS]
const N = ROWS * COLUMNS

it('is Adam without bias correction before the freeze: 0.1 g / √(0.001 g²) at first', async () => {
  const { applied } = await exchangeByHand(peers => oneBitAdam(peers, { freeze: 9 }), [[matrix(1)], [matrix(1)]], SHAPE)
  expect(largestDifference(applied[0], matrix(1).map(value => (0.1 / Math.sqrt(0.001)) * Math.sign(value)))).toBeLessThan(5e-3) // prettier-ignore
})

it('replaces momenta by the signs of their mean: all of one size in each worker’s part', async () => {
  const { applied, states } = await exchangeByHand(peers => oneBitAdam(peers, { freeze: 1 }), [[matrix(1), matrix(2)], [matrix(3), matrix(4)]], SHAPE) // prettier-ignore
  const sizes = new Set(states[0].mean.subarray(0, N / 2).map(Math.abs))
  expect(sizes.size).toBe(1)
  expect(states[0].mean).toEqual(states[1].mean)
  expect(applied[1].every(Number.isFinite)).toBe(true)
})

it('loses nothing: what was applied, what averagers kept and the mean of what workers kept are the mean of all momenta', async () => {
  const [a, b] = [[matrix(1), matrix(2)], [matrix(3), matrix(4)]] // prettier-ignore
  const { states } = await exchangeByHand(peers => oneBitAdam(peers, { freeze: 1, beta1: 0.5 }), [a, b], SHAPE)
  const momentum = a[0].map((_, i) => 0.5 * (0.5 * (a[0][i] + b[0][i]) * 0.5) + 0.5 * 0.5 * (a[1][i] + b[1][i]))
  const server = [...states[0].serverError, ...states[1].serverError]
  const found = states[0].mean.map((value, i) => value + server[i] + (states[0].error[i] + states[1].error[i]) / 2)
  expect(largestDifference(found, momentum)).toBeLessThan(1e-5)
})

it('(3, -4) has the size 3.5355, and (-0.5355, -0.4645) is left', async () => {
  const gradient = Float32Array.from({ length: N }, (_, i) => (i % 2 === 0 ? 3 : -4))
  const { states } = await exchangeByHand(peers => oneBitAdam(peers, { freeze: 1, beta1: 0 }), [[new Float32Array(N), gradient]], SHAPE)
  expect(states[0].error[0]).toBeCloseTo(-0.5355, 3)
  expect(states[0].error[1]).toBeCloseTo(-0.4645, 3)
})

it('counts a bit a number up and one down, with 4 bytes a part', async () => {
  const { traffic } = await exchangeByHand(peers => oneBitAdam(peers, { freeze: 1 }), [[matrix(1)], [matrix(2)]], SHAPE, 1)
  expect(traffic).toEqual([0, 1].map(() => (N / 2 / 8 + 4) + (N / 2 / 8 + 4) + 16)) // prettier-ignore
})

it('refuses a second optimiser, and options that are none', () => {
  const peers = { rank: 0, size: 1 } as never
  expect(() => oneBitAdam(peers, { freeze: 1 }).check!([], adam({ learningRate: 1 }))).toThrow('one-bit-adam is an optimiser of its own, and adam would be a second one.\nTrain with sgd') // prettier-ignore
  expect(() => oneBitAdam(peers, { freeze: 1 }).check!([], sgd({ learningRate: 1 }))).not.toThrow()
  expect(() => oneBitAdam(peers, { freeze: 0 })).toThrow('one-bit-adam got freeze = 0.\nPass an integer of at least 1')
})
