import { wasmKernels } from '../wasm.js'

/** A = Q · T · Qᵀ with T of three diagonals and Q = H₀·H₁·…, H_j = I − f_j · x_j · x_jᵀ. */
export interface Tridiagonal {
  readonly diagonal: Float64Array
  /** Entry i couples i and i+1; the last one is 0. */
  readonly offDiagonal: Float64Array
  /** Row j is x_j, (n, n) row-major, whose entries up to j are 0. */
  readonly reflections: Float32Array
  readonly factors: Float32Array
}

/** Brings a symmetric matrix, (n, n) with its upper half, to three diagonals by Householder reflections, in float32. */
export function tridiagonalise(matrix: Float32Array, n: number): Tridiagonal {
  const kernels = wasmKernels()
  const arena = kernels.arena(4 * n * n + 32 * n + 80)
  const [a, factors, work] = [arena.f32(n * n), arena.f32(n), arena.f32(3 * n)]
  const [diagonal, offDiagonal] = [arena.f64(n), arena.f64(n)]
  a.set(matrix)
  factors.fill(0)
  offDiagonal.fill(0)
  kernels.tridiagonalise(a.byteOffset, n, diagonal.byteOffset, offDiagonal.byteOffset, factors.byteOffset, work.byteOffset)
  for (let row = 0; row < n; row++) a.fill(0, row * n, row * n + row + 1)
  return { diagonal: diagonal.slice(), offDiagonal: offDiagonal.slice(), reflections: a.slice(), factors: factors.slice() }
}
