import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { quadraticForm } from './quadratic-form.js'

beforeAll(() => tf.setBackend('cpu'))

/** Numbers without a pattern, (rows, columns). */
const waves = (rows: number, columns: number, seed: number): tf.Tensor2D =>
  tf.tensor2d(
    Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(seed + i * i)),
    [rows, columns],
  )

it('is Σ x G xᵀ by hand', async () => {
  const matrix = tf.tensor2d([[2, 1], [1, 3]]) // prettier-ignore
  const rows = tf.tensor2d([[1, 0], [1, -2]]) // prettier-ignore
  // 2, and 2 − 4 + 12
  for (const width of [1, 2, 512]) {
    const form = quadraticForm(matrix, width)
    const sum = form.of(rows)
    expect((await sum.data())[0]).toBe(12)
    sum.dispose()
    form.dispose()
  }
  tf.dispose([matrix, rows])
  expect(tf.memory().numTensors).toBe(0)
})

it.each([
  [7, 2],
  [9, 3],
  [20, 2],
])('gives the same in panels of any width: %d columns, %d a panel', async (n, width) => {
  const x = waves(n + 3, n, 1)
  const rows = waves(4, n, 2)
  const matrix = tf.matMul(x, x, true, false) as tf.Tensor2D
  const [panels, whole] = [quadraticForm(matrix, width), quadraticForm(matrix, n)]
  const [found, wanted] = [panels.of(rows), whole.of(rows)]
  expect((await found.data())[0] / (await wanted.data())[0]).toBeCloseTo(1, 5)
  panels.dispose()
  whole.dispose()
  tf.dispose([x, rows, matrix, found, wanted])
})
