import { CompressionError } from '@tersor/tensor'

/** Applies I − 2 v vᵀ / vᵀv to a column of A (rows, columns) from row `from` on, v standing in column `from`. */
const reflect = (a: Float64Array, columns: number, from: number, size: number, column: number, rows: number, v: Float64Array): void => {
  let along = 0
  for (let row = from; row < rows; row++) along += v[row] * a[row * columns + column]
  const factor = (2 * along) / size
  for (let row = from; row < rows; row++) a[row * columns + column] -= factor * v[row]
}

/**
 * x with the least ‖A x − b‖², A (rows, columns) row-major in doubles, rows at least columns, by Householder reflections: A = Q R, R x = Qᵀ b. A small
 * dense problem on the host: 2 · rows · columns² steps. Throws SHAPE, and BAD_DATA where columns depend on each other.
 * Householder 1958, https://doi.org/10.1145/320941.320947
 */
export const leastSquares = (matrix: Float64Array, b: Float64Array): Float64Array => {
  const rows = b.length
  const columns = matrix.length / rows
  if (!Number.isInteger(columns) || columns > rows)
    throw new CompressionError('SHAPE', `leastSquares got ${matrix.length} numbers for ${rows} rows.`, 'Pass at least as many rows as columns.', { rows }) // prettier-ignore
  const a = matrix.slice()
  const right = b.slice()
  const largest = Math.sqrt(Math.max(...Array.from({ length: columns }, (_, c) => squareOf(a, columns, c, 0, rows)), 0))
  for (let k = 0; k < columns; k++) {
    const norm = Math.sqrt(squareOf(a, columns, k, k, rows))
    if (norm <= 1e-12 * largest)
      throw new CompressionError('BAD_DATA', `Column ${k} of a least-squares problem depends on those before it.`, 'Leave it out.', { column: k }) // prettier-ignore
    const v = new Float64Array(rows)
    for (let row = k; row < rows; row++) v[row] = a[row * columns + k]
    v[k] += v[k] >= 0 ? norm : -norm
    const size = v.reduce((sum, value) => sum + value * value, 0)
    for (let column = k; column < columns; column++) reflect(a, columns, k, size, column, rows, v)
    reflect(right, 1, k, size, 0, rows, v)
  }
  const x = new Float64Array(columns)
  for (let k = columns - 1; k >= 0; k--) {
    let rest = right[k]
    for (let column = k + 1; column < columns; column++) rest -= a[k * columns + column] * x[column]
    x[k] = rest / a[k * columns + k]
  }
  return x
}

const squareOf = (a: Float64Array, columns: number, column: number, from: number, rows: number): number => {
  let sum = 0
  for (let row = from; row < rows; row++) sum += a[row * columns + column] ** 2
  return sum
}
