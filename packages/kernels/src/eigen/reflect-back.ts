import * as tf from '@tensorflow/tfjs-core'
import { lendArray } from '../lend-array.js'
import { triangularInverse } from '../triangular-inverse.js'
import type { Tridiagonal } from './tridiagonalise.js'

/** Reflections that are applied in one product. */
const BLOCK = 256

/**
 * Rows y of (n, n) become y · Hᵀ for the product H = H₀·H₁·… of all reflections, a block at a time from the last:
 * with the rows X of a block, H_j ⋯ H_{j+b−1} = I − Xᵀ·S·X, where S⁻¹ is the upper triangle of X·Xᵀ with the diagonal 1/f.
 * Schreiber and Van Loan 1989, https://doi.org/10.1137/0910005
 */
export async function reflectBack(rows: Float32Array, { reflections, factors }: Tridiagonal): Promise<Float32Array> {
  const n = factors.length
  let result = tf.tensor2d(rows, [n, n])
  for (let start = BLOCK * Math.floor((n - 1) / BLOCK); start >= 0; start -= BLOCK) {
    const count = Math.min(BLOCK, n - start)
    const block = lendArray(reflections.subarray(start * n, (start + count) * n), [count, n])
    const inverse = await triangularInverse(await lowerOf(block, factors.subarray(start, start + count)), count) // Sᵀ
    const next = tf.tidy(() => {
      const combined = tf.matMul(lendArray(inverse, [count, count]), block) // (count, n)
      return tf.sub(result, tf.matMul(tf.matMul(result, block, false, true), combined)) as tf.Tensor2D
    })
    tf.dispose([result, block])
    result = next
  }
  const values = await result.data<'float32'>()
  result.dispose()
  return values
}

/** S⁻ᵀ: the lower triangle of X·Xᵀ with the diagonal 1/f; a reflection that does nothing has x = 0 and gets 1. */
async function lowerOf(block: tf.Tensor2D, factors: Float32Array): Promise<Float32Array> {
  const count = factors.length
  const gram = tf.matMul(block, block, false, true)
  const lower = (await gram.data<'float32'>()).slice()
  gram.dispose()
  for (let row = 0; row < count; row++) {
    lower[row * count + row] = factors[row] === 0 ? 1 : 1 / factors[row]
    lower.fill(0, row * count + row + 1, (row + 1) * count)
  }
  return lower
}
