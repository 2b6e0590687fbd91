import '@tensorflow/tfjs-backend-cpu'
import { COLUMNS, exchangeByHand, largestDifference, matrix, ROWS, sumOf } from './exchange.fixture.js'
import { exchanged } from './exchanged.js'
import { plain } from './plain.js'
import { sign } from './sign.js'

const SHAPE = [ROWS, COLUMNS]

it('is the mean gradient, and counts a ring of sums: 2 (N - 1) / N of 4 n bytes', async () => {
  const gradients = [[matrix(1)], [matrix(2)], [matrix(3)], [matrix(4)]]
  const { applied, traffic } = await exchangeByHand(peers => exchanged(peers, { codec: plain() }), gradients, SHAPE, 1)
  expect(largestDifference(applied[0], sumOf(gradients.flat()).map(value => value / 4))).toBeLessThan(1e-6) // prettier-ignore
  expect(traffic).toEqual([0, 1, 2, 3].map(() => (6 / 4) * 4 * ROWS * COLUMNS + 3 * 16)) // and loss and flag to each
})

it('applies the mean of what codecs made', async () => {
  const { applied } = await exchangeByHand(peers => exchanged(peers, { codec: sign() }), [[matrix(1)], [matrix(2)]], SHAPE, 1)
  const sizes = [matrix(1), matrix(2)].map(values => values.reduce((sum, value) => sum + Math.abs(value), 0) / values.length)
  const expected = matrix(1).map((value, i) => (Math.sign(value) * sizes[0] + Math.sign(matrix(2)[i]) * sizes[1]) / 2)
  expect(largestDifference(applied[0], expected)).toBeLessThan(1e-5)
})

it('joins vectors and small tensors into one message, which is plain', async () => {
  const { applied, traffic } = await exchangeByHand(peers => exchanged(peers, { codec: sign() }), [[Float32Array.of(1, -2)], [Float32Array.of(3, 4)]], [2], 1) // prettier-ignore
  expect([...applied[0]]).toEqual([2, 1])
  expect(traffic).toEqual([8 + 16, 8 + 16])
})

it('refuses what is no codec', () => {
  expect(() => exchanged({ rank: 0, size: 1 } as never, { codec: {} as never })).toThrow('exchanged got codec = {}.\nPass a codec')
})
