/** M Q with M (rows, columns) and Q (columns, rank): (rows, rank). */
export const timesThin = (m: Float32Array, q: Float32Array, rows: number, columns: number, rank: number): Float32Array => {
  const p = new Float32Array(rows * rank)
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const value = m[row * columns + column]
      for (let k = 0; k < rank; k++) p[row * rank + k] += value * q[column * rank + k]
    }
  return p
}

/** Mᵀ P with M (rows, columns) and P (rows, rank): (columns, rank). */
export const transposedTimesThin = (m: Float32Array, p: Float32Array, rows: number, columns: number, rank: number): Float32Array => {
  const q = new Float32Array(columns * rank)
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const value = m[row * columns + column]
      for (let k = 0; k < rank; k++) q[column * rank + k] += value * p[row * rank + k]
    }
  return q
}

/** P Qᵀ with P (rows, rank) and Q (columns, rank), in the place of what stood there, (rows, columns). */
export const thinTimesTransposed = (p: Float32Array, q: Float32Array, rank: number, into: Float32Array): void => {
  const columns = q.length / rank
  for (let i = 0; i < into.length; i++) {
    const [row, column] = [Math.floor(i / columns) * rank, (i % columns) * rank]
    let sum = 0
    for (let k = 0; k < rank; k++) sum += p[row + k] * q[column + k]
    into[i] = sum
  }
}

/** What a column may be of those before it, so that it is none of its own. */
const DEPENDENT = 1e-6

/** Makes the columns of P (rows, rank) orthonormal, in order; one that depends on those before becomes 0. */
export const orthonormalize = (p: Float32Array, rows: number, rank: number): void => {
  const product = (a: number, b: number): number => {
    let sum = 0
    for (let row = 0; row < rows; row++) sum += p[row * rank + a] * p[row * rank + b]
    return sum
  }
  for (let k = 0; k < rank; k++) {
    const before = Math.sqrt(product(k, k))
    for (let j = 0; j < k; j++) {
      const along = product(j, k)
      for (let row = 0; row < rows; row++) p[row * rank + k] -= along * p[row * rank + j]
    }
    const size = Math.sqrt(product(k, k))
    const factor = size > DEPENDENT * before ? 1 / size : 0
    for (let row = 0; row < rows; row++) p[row * rank + k] *= factor
  }
}
