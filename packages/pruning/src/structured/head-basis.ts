import { symmetricEigen } from '@tersor/kernels'

/** Below this part of the largest, an eigenvalue is taken for it. */
const FLOOR = 1e-6

/** a · b, (n, n) each; of a head's size, not of a weight's. */
const product = (a: Float64Array, b: Float64Array, n: number): Float64Array => {
  const out = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let k = 0; k < n; k++) {
      const value = a[i * n + k]
      for (let j = 0; j < n; j++) out[i * n + j] += value * b[k * n + j]
    }
  return out
}

const transposed = (a: Float64Array, n: number): Float64Array => a.map((_, at) => a[(at % n) * n + Math.floor(at / n)])
/** Row i times factors[i], (n, n). */
const rowsTimes = (a: Float64Array, factors: Float64Array, n: number): Float64Array => a.map((x, at) => x * factors[Math.floor(at / n)])
const inverted = (values: Float64Array): Float64Array => values.map(value => 1 / value)

/** Square roots of eigenvalues and eigenvectors as rows, the largest first. */
const rootsOf = async (a: Float64Array, n: number) => {
  const { values, vectors } = await symmetricEigen(a, n) // ascending
  const floor = FLOOR * values[n - 1] > 0 ? FLOOR * values[n - 1] : 1
  const rows = new Float64Array(n * n)
  for (let row = 0; row < n; row++) rows.set(vectors.subarray((n - 1 - row) * n, (n - row) * n), row * n)
  return { roots: values.toReversed().map(value => Math.sqrt(Math.max(value, floor))), rows }
}

/** What values of a head are multiplied by from the left, and what reads them, (size, size) each; their product is the identity. */
export interface HeadBasis {
  readonly values: Float64Array
  readonly readers: Float64Array
}

/**
 * The basis in which the values of a head come by what they give, the most first, and what reads them is orthonormal: with G = E[v vᵀ] = EᵀΛE and
 * R = Σ W_O W_Oᵀ over the heads that read them, Λ^½ E R Eᵀ Λ^½ = FᵀS²F; v ← S F Λ^−½ E v, W_O ← S⁻¹ F Λ^½ E W_O. Both: (size, size).
 * The singular values S are in the values, so that what reads them is even for a rounding.
 */
export const headBasis = async (moments: Float64Array, readers: Float64Array, size: number): Promise<HeadBasis> => {
  const { roots, rows: e } = await rootsOf(moments, size)
  const scaled = rowsTimes(e, roots, size) // Λ^½ E
  const given = product(product(scaled, readers, size), transposed(scaled, size), size)
  const { roots: s, rows: f } = await rootsOf(given, size)
  return {
    values: rowsTimes(product(f, rowsTimes(e, inverted(roots), size), size), s, size),
    readers: rowsTimes(product(f, scaled, size), inverted(s), size),
  }
}
