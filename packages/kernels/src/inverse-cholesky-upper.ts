import { cholesky } from './cholesky.js'
import { triangularInverse } from './triangular-inverse.js'

/**
 * Gives the upper factor U with H⁻¹ = Uᵀ·U, (n, n) row-major, which GPTQ and SparseGPT walk along.
 * H⁻¹ is never formed: with J the reversal of rows and columns, J·H·J = M·Mᵀ gives H = R·Rᵀ with R = J·M·J upper, and U = R⁻¹.
 * Throws `NOT_POSITIVE_DEFINITE`. Cost: n³/2 multiply-adds, nearly all on the engine.
 */
export async function inverseCholeskyUpper(h: ArrayLike<number>, n: number): Promise<Float32Array> {
  return reversed(await triangularInverse(await cholesky(reversed(h), n), n))
}

function reversed(matrix: ArrayLike<number>): Float32Array {
  const { length } = matrix
  const result = new Float32Array(length)
  for (let at = 0; at < length; at++) result[at] = matrix[length - 1 - at]!
  return result
}
