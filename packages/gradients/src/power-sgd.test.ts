import '@tensorflow/tfjs-backend-cpu'
import { COLUMNS, exchangeByHand, largestDifference, matrix, ROWS, sumOf } from './exchange.fixture.js'
import { powerSgd } from './power-sgd.js'

const SHAPE = [ROWS, COLUMNS]
const outer = (a: number, b: number): Float32Array =>
  Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => Math.sin(a + Math.floor(i / COLUMNS)) * Math.cos(b + (i % COLUMNS)))

it('gives a mean of rank 1 in one step', async () => {
  const gradients = [[outer(1, 2)], [outer(1, 2).map(value => 3 * value)]]
  const { applied, states } = await exchangeByHand(peers => powerSgd(peers, { rank: 1, start: 0 }), gradients, SHAPE, 1)
  expect(largestDifference(applied[0], outer(1, 2).map(value => 2 * value))).toBeLessThan(1e-5) // prettier-ignore
  expect(largestDifference(sumOf(states.map(({ error }) => error)), new Float32Array(ROWS * COLUMNS))).toBeLessThan(1e-5)
})

it('comes to the best approximation of a gradient that stays, since it goes on from the factor before', async () => {
  const [strong, weak] = [outer(1, 2), outer(4, 5).map(value => 0.1 * value)]
  const gradient = sumOf([strong, weak])
  const { applied } = await exchangeByHand(
    peers => powerSgd(peers, { rank: 1, start: 0 }),
    [Array.from({ length: 20 }, () => gradient)],
    SHAPE,
    1,
  )
  const mean = sumOf(applied).map(value => value / 20)
  expect(largestDifference(mean, gradient)).toBeLessThan(0.03) // with what was kept, nothing is lost
})

it('loses nothing: what was applied and what workers kept are all gradients', async () => {
  const gradients = [0, 1].map(worker => [0, 1, 2].map(step => matrix(10 * worker + step)))
  const { applied, states } = await exchangeByHand(peers => powerSgd(peers, { rank: 2, start: 1 }), gradients, SHAPE)
  const all = sumOf([sumOf(applied).map(value => 2 * value), ...states.map(({ error }) => error)])
  expect(largestDifference(all, sumOf(gradients.flat()))).toBeLessThan(5e-5)
})

it('counts 4 r (rows + columns) bytes in two sums', async () => {
  const { traffic } = await exchangeByHand(peers => powerSgd(peers, { rank: 3, start: 0 }), [[matrix(1)], [matrix(2)]], SHAPE, 1)
  expect(traffic[0]).toBe(4 * 3 * (ROWS + COLUMNS) + 16) // between two workers half of a sum is sent twice; and loss and flag
})

it('checks its options', () => {
  expect(() => powerSgd({ rank: 0, size: 1 } as never, { rank: 0 })).toThrow('power-sgd got rank = 0.\nPass an integer of at least 1')
})
