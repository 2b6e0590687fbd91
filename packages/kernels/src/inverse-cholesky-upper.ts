import { choleskyInPlace } from './cholesky.js'
import { triangularInverse } from './triangular-inverse.js'

/**
 * Gives the upper factor U with H⁻¹ = Uᵀ·U, (n, n) row-major, which GPTQ and SparseGPT walk along; h is used up.
 * H⁻¹ is never formed: with J the reversal of rows and columns, J·H·J = M·Mᵀ gives H = R·Rᵀ with R = J·M·J upper, and U = R⁻¹.
 * Throws `NOT_POSITIVE_DEFINITE`. Cost: n³/2 multiply-adds, nearly all on the engine; memory for one matrix besides h.
 */
export async function inverseCholeskyUpper(h: Float32Array, n: number): Promise<Float32Array> {
  return (await triangularInverse(await choleskyInPlace(h.reverse(), n), n)).reverse() // reversing all entries is J · J
}
