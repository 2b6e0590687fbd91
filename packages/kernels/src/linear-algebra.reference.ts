import { values } from './values.reference.js'

/** (rows, inner) · (inner, columns) in plain loops and doubles. */
export function product(a: ArrayLike<number>, b: ArrayLike<number>, rows: number, inner: number, columns: number): Float64Array {
  const [result, left, right] = [new Float64Array(rows * columns), new Float64Array(a), new Float64Array(b)]
  for (let row = 0; row < rows; row++)
    for (let k = 0; k < inner; k++)
      for (let column = 0; column < columns; column++) result[row * columns + column] += left[row * inner + k] * right[k * columns + column]
  return result
}

export function transpose(a: ArrayLike<number>, rows: number, columns: number): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, at) => a[(at % rows) * columns + Math.floor(at / rows)])
}

export function identity(n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 1 : 0))
}

/** A positive definite matrix X·Xᵀ/n + ridge. */
export function positiveDefinite(n: number, seed: number, ridge = 0.1): Float32Array {
  const x = values(n * n, seed)
  const gram = product(x, transpose(x, n, n), n, n, n)
  for (let at = 0; at < n; at++) gram[at * n + at] += ridge * n
  return Float32Array.from(gram, value => value / n)
}

/** Largest difference of two lists, relative to the largest entry of the first. */
export function away(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity
  let difference = 0
  let largest = 0
  for (let at = 0; at < a.length; at++) {
    if (!Number.isFinite(b[at])) return Infinity
    difference = Math.max(difference, Math.abs(a[at] - b[at]))
    largest = Math.max(largest, Math.abs(a[at]))
  }
  return difference / Math.max(largest, 1e-300)
}

/** a_ij = Σ_k l_ik l_jk by the textbook. */
export function cholesky(a: ArrayLike<number>, n: number): Float64Array {
  const l = new Float64Array(n * n)
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]
      for (let k = 0; k < j; k++) sum -= l[i * n + k] * l[j * n + k]
      l[i * n + j] = i === j ? Math.sqrt(sum) : sum / l[j * n + j]
    }
  return l
}
