import { CompressionError } from '@tersor/tensor'
import { transpose } from './transpose.js'
import { wasmKernels } from './wasm.js'

/** A = Q · R. */
export interface Qr {
  /** (rows, columns) row-major, orthonormal columns. */
  readonly q: Float32Array
  /** (columns, columns) row-major, upper triangular. */
  readonly r: Float32Array
}

/**
 * Gives the thin QR decomposition of a matrix (rows, columns) row-major with rows ≥ columns, by Householder reflections, whatever its rank.
 * Throws `SHAPE`. Cost: 2 · rows · columns² multiply-adds in WebAssembly.
 */
export function qr(a: Float32Array, rows: number, columns: number): Qr {
  if (columns > rows) {
    throw new CompressionError('SHAPE', `A thin QR needs no more columns than rows, got ${rows} × ${columns}.`, 'Transpose the matrix.', {
      rows,
      columns,
    })
  }
  const kernels = wasmKernels()
  const arena = kernels.arena(4 * rows * columns + 4 * columns * columns + 8 * columns + 48)
  const [q, r, factors] = [arena.f32(rows * columns), arena.f32(columns * columns).fill(0), arena.f64(columns)] // q: (columns, rows)
  q.set(transpose(a, rows, columns))
  kernels.householderRows(q.byteOffset, rows, columns, r.byteOffset, factors.byteOffset)
  return { q: transpose(q, columns, rows), r: r.slice() }
}
