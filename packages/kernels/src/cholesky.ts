import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'

/** Matrices up to this size are one panel, computed in doubles throughout; larger ones go by panels of this width. */
const PANEL = 128

/**
 * Gives the lower factor L of a symmetric positive definite A = L·Lᵀ, (n, n) row-major; only the lower half of A is read.
 * Left-looking by panels: the product with the finished columns runs on the engine in float32, the panel itself in doubles on the host.
 * Throws `NOT_POSITIVE_DEFINITE`. Cost: n³/3 multiply-adds, of which n²·64 in JavaScript.
 */
export async function cholesky(a: ArrayLike<number>, n: number): Promise<Float32Array> {
  const lower = new Float32Array(n * n)
  for (let start = 0; start < n; start += PANEL) {
    const width = Math.min(PANEL, n - start)
    const panel = copyPanel(a, n, start, width)
    if (start > 0) await subtractFinished(lower, n, start, width, panel)
    factorPanel(panel, n - start, width, start)
    for (let row = 0; row < n - start; row++)
      for (let column = 0; column <= Math.min(row, width - 1); column++)
        lower[(start + row) * n + start + column] = panel[row * width + column]!
  }
  return lower
}

/** Rows from `start` on of the columns of the panel, (n − start, width). */
function copyPanel(a: ArrayLike<number>, n: number, start: number, width: number): Float64Array {
  const panel = new Float64Array((n - start) * width)
  for (let row = start; row < n; row++)
    for (let column = 0; column < width; column++) panel[(row - start) * width + column] = a[row * n + start + column]!
  return panel
}

/** panel ← panel − L[start…, …start] · L[panel rows, …start]ᵀ. */
async function subtractFinished(lower: Float32Array, n: number, start: number, width: number, panel: Float64Array): Promise<void> {
  const finished = new Float32Array((n - start) * start)
  for (let row = start; row < n; row++) finished.set(lower.subarray(row * n, row * n + start), (row - start) * start)
  const product = tf.tidy(() => {
    const rows = tf.tensor2d(finished, [n - start, start])
    return tf.matMul(rows, tf.slice(rows, [0, 0], [width, start]), false, true)
  })
  const values = await product.data<'float32'>()
  product.dispose()
  for (let at = 0; at < panel.length; at++) panel[at]! -= values[at]!
}

/** Factors the square at the top and solves the rows below it, row by row: l_ij = (a_ij − Σ_k l_ik l_jk) / l_jj. */
function factorPanel(panel: Float64Array, rows: number, width: number, start: number): void {
  for (let row = 0; row < rows; row++) {
    const at = row * width
    for (let column = 0; column < Math.min(row, width); column++) {
      const other = column * width
      let sum = panel[at + column]!
      for (let k = 0; k < column; k++) sum -= panel[at + k]! * panel[other + k]!
      panel[at + column] = sum / panel[other + column]!
    }
    if (row >= width) continue
    let pivot = panel[at + row]!
    for (let k = 0; k < row; k++) pivot -= panel[at + k]! ** 2
    if (!(pivot > 0) || pivot === Infinity) throw notPositiveDefinite(start + row, pivot)
    panel[at + row] = Math.sqrt(pivot)
  }
}

function notPositiveDefinite(index: number, pivot: number): CompressionError {
  return new CompressionError(
    'NOT_POSITIVE_DEFINITE',
    `The matrix is not positive definite: pivot ${index} is ${pivot}.`,
    'Raise the damping, calibrate with more data, or look for NaN in the inputs.',
    { index, pivot },
  )
}
