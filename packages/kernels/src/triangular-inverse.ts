import * as tf from '@tensorflow/tfjs-core'

/** As wide as the panels of `cholesky`. */
const PANEL = 128

/**
 * Gives X = L⁻¹ of a lower triangular L, (n, n) row-major.
 * By row panels: X_kk = L_kk⁻¹ and X_k,<k = −L_kk⁻¹ · (L_k,<k · X_<k), the product on the engine in float32, the solve in doubles.
 * Cost: n³/3 multiply-adds, of which n²·64 in JavaScript.
 */
export async function triangularInverse(lower: Float32Array, n: number): Promise<Float32Array> {
  const inverse = new Float32Array(n * n)
  for (let start = 0; start < n; start += PANEL) {
    const width = Math.min(PANEL, n - start)
    const right = await rightSide(lower, inverse, n, start, width)
    solvePanel(lower, n, start, width, right)
    for (let row = 0; row < width; row++)
      for (let column = 0; column < start + width; column++) inverse[(start + row) * n + column] = right[row * (start + width) + column]!
  }
  return inverse
}

/** [−L_k,<k · X_<k | I], (width, start + width). */
async function rightSide(lower: Float32Array, inverse: Float32Array, n: number, start: number, width: number): Promise<Float64Array> {
  const columns = start + width
  const right = new Float64Array(width * columns)
  for (let row = 0; row < width; row++) right[row * columns + start + row] = 1
  if (start === 0) return right
  const rows = new Float32Array(width * start)
  for (let row = 0; row < width; row++) rows.set(lower.subarray((start + row) * n, (start + row) * n + start), row * start)
  const finished = new Float32Array(start * start)
  for (let row = 0; row < start; row++) finished.set(inverse.subarray(row * n, row * n + start), row * start)
  const product = tf.tidy(() => tf.matMul(tf.tensor2d(rows, [width, start]), tf.tensor2d(finished, [start, start])))
  const values = await product.data<'float32'>()
  product.dispose()
  for (let row = 0; row < width; row++)
    for (let column = 0; column < start; column++) right[row * columns + column] = -values[row * start + column]!
  return right
}

/** right ← L_kk⁻¹ · right, from the first row down. */
function solvePanel(lower: Float32Array, n: number, start: number, width: number, right: Float64Array): void {
  const columns = start + width
  for (let row = 0; row < width; row++) {
    const at = row * columns
    for (let k = 0; k < row; k++) {
      const factor = lower[(start + row) * n + start + k]!
      const from = k * columns
      if (factor !== 0) for (let column = 0; column <= start + k; column++) right[at + column]! -= factor * right[from + column]!
    }
    const diagonal = lower[(start + row) * n + start + row]!
    for (let column = 0; column <= start + row; column++) right[at + column]! /= diagonal
  }
}
