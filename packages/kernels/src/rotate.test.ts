import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { rotate, rotateColumns, type HadamardMatrix } from './rotate.js'
import { distance, values } from './values.reference.js'

beforeAll(() => tf.setBackend('cpu'))

const half = Math.SQRT1_2

it('turns vectors worked by hand: signs, sums and differences, and a matrix of its own', async () => {
  // (1, −2) gives (1 − 2, 1 + 2) / √2
  expect(
    distance([-half, 3 * half], await rotate(Float32Array.of(1, 2), { signs: Float32Array.of(1, -1), doublings: 2, base: 1 })),
  ).toBeLessThan(1e-6)
  const swap = { signs: Float32Array.of(1, 1), doublings: 1, base: 2, matrix: Float32Array.of(0, 1, 1, 0) }
  expect([...(await rotate(Float32Array.of(1, 2, 3, 4), swap))]).toEqual([2, 1, 4, 3])
})

it('agrees with diag(signs) · (H₂ ⊗ H₂ ⊗ P) in plain loops, and leaves no tensor behind', async () => {
  const [base, doublings] = [3, 4]
  const size = base * doublings
  const rotation: HadamardMatrix = { signs: values(size, 1).map(Math.sign), doublings, base, matrix: values(9, 2) }
  const x = values(5 * size, 3)
  const wanted = Array.from(x, (_, at) => {
    const [row, column] = [at - (at % size), at % size]
    let sum = 0
    for (let k = 0; k < size; k++) {
      const shared = Math.floor(k / base) & Math.floor(column / base)
      const entry = (shared === 1 || shared === 2 ? -1 : 1) / Math.sqrt(doublings)
      sum += x[row + k] * rotation.signs[k] * entry * rotation.matrix![(k % base) * base + (column % base)]
    }
    return sum
  })
  const before = tf.memory().numTensors
  expect(distance(wanted, await rotate(x, rotation))).toBeLessThan(1e-5)
  expect(tf.memory().numTensors).toBe(before)
})

it('turns a run of columns and leaves the others and what it was given as they were', async () => {
  const matrix = Float32Array.of(9, 1, 2, 8, 7, 3, 4, 6)
  const swap = { signs: Float32Array.of(1, -1), doublings: 1, base: 2, matrix: Float32Array.of(0, 1, 1, 0) }
  expect([...(await rotateColumns(matrix, 4, { start: 1, count: 2 }, swap))]).toEqual([9, -2, 1, 8, 7, -4, 3, 6])
  expect([...matrix]).toEqual([9, 1, 2, 8, 7, 3, 4, 6])
})
