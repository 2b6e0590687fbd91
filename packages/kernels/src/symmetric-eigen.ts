import { CompressionError } from '@tersor/tensor'
import { divide } from './eigen/divide.js'
import { reflectBack } from './eigen/reflect-back.js'
import { tridiagonalise } from './eigen/tridiagonalise.js'

/** A = Vᵀ · diag(values) · V. */
export interface SymmetricEigen {
  /** Ascending, (n). */
  readonly values: Float64Array
  /** Row i is the unit eigenvector of value i, (n, n) row-major. */
  readonly vectors: Float32Array
}

/**
 * Gives the eigenvalues and eigenvectors of a symmetric matrix, (n, n) row-major; only its lower half is read. Throws `NOT_FINITE`.
 * Householder reflections to three diagonals in WebAssembly, divide and conquer on these, and the reflections back as products on
 * the engine. Float32 throughout but for the secular equations: errors are some 10⁻⁶ of the largest |value|.
 * Cost: 2n³/3 multiply-adds in WebAssembly, up to 4n³ on the engine, and some 30n² divisions in WebAssembly.
 */
export async function symmetricEigen(a: ArrayLike<number>, n: number): Promise<SymmetricEigen> {
  const largest = largestOf(a, n)
  const scale = largest || 1
  const upper = new Float32Array(n * n) // scaled so that squares neither overflow nor vanish
  for (let row = 0; row < n; row++) for (let column = 0; column <= row; column++) upper[column * n + row] = a[row * n + column] / scale
  const tridiagonal = tridiagonalise(upper, n)
  const { values, vectors } = await divide(tridiagonal.diagonal, tridiagonal.offDiagonal)
  return { values: values.map(value => value * scale), vectors: await reflectBack(vectors, tridiagonal) }
}

/** The largest |a_ij| of the lower half. */
function largestOf(a: ArrayLike<number>, n: number): number {
  let largest = 0
  for (let row = 0; row < n; row++) {
    for (let at = row * n; at <= row * n + row; at++) {
      const size = Math.abs(a[at])
      if (!(size <= Number.MAX_VALUE)) throw notFinite(row, at - row * n, a[at])
      if (size > largest) largest = size
    }
  }
  return largest
}

function notFinite(row: number, column: number, value: number): CompressionError {
  return new CompressionError(
    'NOT_FINITE',
    `The matrix has ${value} in row ${row}, column ${column}.`,
    'Look for NaN or infinity in the inputs it was made from.',
    { row, column },
  )
}
