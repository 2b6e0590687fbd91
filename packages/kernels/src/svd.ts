import * as tf from '@tensorflow/tfjs-core'
import { lendArray } from './lend-array.js'
import { symmetricEigen } from './symmetric-eigen.js'
import { transpose } from './transpose.js'
import { wasmKernels } from './wasm.js'

/** A = U · diag(s) · Vᵀ with k = min(rows, columns). */
export interface Svd {
  /** (rows, k) row-major, orthonormal columns. */
  readonly u: Float32Array
  /** Descending, (k). */
  readonly s: Float64Array
  /** (columns, k) row-major, orthonormal columns. */
  readonly v: Float32Array
}

/** Below this part of the largest singular value rows are rounding errors, and completed to orthonormal ones. */
const NEGLIGIBLE = 2 ** -22
/** Cosine of two rows that count as orthogonal: some rounding errors of a dot product in float32. */
const ORTHOGONAL = 2e-6
/** Rows that begin nearly orthogonal need two to four sweeps. */
const MOST_SWEEPS = 30

/**
 * Gives the thin singular value decomposition of a matrix, (rows, columns) row-major, in float32.
 * The eigenvectors of the smaller Gram matrix make the rows of its side nearly orthogonal, which gets the large values right;
 * one-sided Jacobi rotations finish them, which gets the small values right too. Throws `NOT_FINITE`.
 * Cost: 2 · long · k² multiply-adds and `symmetricEigen` of k on the engine, and 2 to 4 sweeps of long · k² / 2 or more in WebAssembly.
 * Demmel and Veselić 1992, https://doi.org/10.1137/0613074
 */
export async function svd(a: ArrayLike<number>, rows: number, columns: number): Promise<Svd> {
  const wide = columns > rows
  const k = Math.min(rows, columns)
  const long = Math.max(rows, columns)
  const values = Float32Array.from(a)
  const { near, far } = await turned(wide ? values : transpose(values, rows, columns), k, long)
  rotate(near, far, k, long)
  const lengths = Float64Array.from({ length: k }, (_, row) => Math.sqrt(dot(far, row * long, far, row * long, long)))
  const order = Array.from(lengths.keys()).sort((i, j) => lengths[j] - lengths[i] || i - j)
  const s = Float64Array.from(order, row => lengths[row])
  const [short, other] = [pick(near, order, k), pick(far, order, long)]
  normaliseRows(other, s, k, long)
  const [u, v] = wide ? [short, other] : [other, short]
  return { u: transpose(u, k, rows), s, v: transpose(v, k, columns) }
}

interface Sides {
  /** Row i: a unit vector of the short side, (k, k). */
  readonly near: Float32Array
  /** Row i: what the matrix makes of it, (k, long). */
  readonly far: Float32Array
}

/** The matrix (k, long) turned by the eigenvectors of its Gram matrix, largest first. */
async function turned(short: Float32Array, k: number, long: number): Promise<Sides> {
  const matrix = tf.tensor2d(short, [k, long])
  try {
    const gram = tf.matMul(matrix, matrix, false, true)
    const moment = await gram.data<'float32'>()
    gram.dispose()
    const { vectors } = await symmetricEigen(moment, k)
    const near = pick(vectors, Array.from({ length: k }, (_, row) => k - 1 - row), k) // prettier-ignore
    const product = tf.tidy(() => tf.matMul(lendArray(near, [k, k]), matrix)) // (k, long)
    const far = await product.data<'float32'>()
    product.dispose()
    return { near, far }
  } finally {
    matrix.dispose()
  }
}

function pick(matrix: Float32Array, order: readonly number[], length: number): Float32Array {
  const result = new Float32Array(matrix.length)
  order.forEach((from, to) => result.set(matrix.subarray(from * length, (from + 1) * length), to * length))
  return result
}

/** Rotates the rows of `far` until they are orthogonal, and those of `near` along. */
function rotate(near: Float32Array, far: Float32Array, k: number, long: number): void {
  const kernels = wasmKernels()
  const arena = kernels.arena(4 * k * (k + long) + 8 * k + 48)
  const [b, w, squares] = [arena.f32(k * long), arena.f32(k * k), arena.f64(k)]
  b.set(far)
  w.set(near)
  const largest = Math.sqrt(dot(far, 0, far, 0, long)) // the first row is the longest
  for (let sweep = 0; sweep < MOST_SWEEPS; sweep++)
    if (kernels.jacobiSweep(b.byteOffset, long, w.byteOffset, k, squares.byteOffset, ORTHOGONAL, NEGLIGIBLE * largest) === 0) break
  far.set(b)
  near.set(w)
}

function dot(x: Float32Array, i: number, y: Float32Array, j: number, length: number): number {
  let sum = 0
  for (let at = 0; at < length; at++) sum += x[i + at] * y[j + at]
  return sum
}

/** Scales rows to length 1; rows that belong to negligible values become any unit vectors orthogonal to all before them. */
function normaliseRows(rows: Float32Array, s: Float64Array, k: number, length: number): void {
  for (let row = 0; row < k; row++) {
    if (s[row] <= NEGLIGIBLE * s[0]) completeRow(rows, row, length)
    else for (let at = row * length; at < (row + 1) * length; at++) rows[at] /= s[row]
  }
}

/** Tries unit vectors until one stands out of the rows before; on average 1 − row/length of their square does. */
function completeRow(rows: Float32Array, row: number, length: number): void {
  const target = rows.subarray(row * length, (row + 1) * length)
  for (let trial = row; ; trial++) {
    target.fill(0)
    target[trial % length] = 1
    orthogonalise(rows, row, length)
    const square = dot(target, 0, target, 0, length)
    if (square < (1 - row / length) / 2) continue
    orthogonalise(rows, row, length)
    const norm = Math.sqrt(dot(target, 0, target, 0, length))
    for (let index = 0; index < length; index++) target[index] /= norm
    return
  }
}

function orthogonalise(rows: Float32Array, row: number, length: number): void {
  for (let before = 0; before < row; before++) {
    const overlap = dot(rows, row * length, rows, before * length, length)
    for (let at = 0; at < length; at++) rows[row * length + at] -= overlap * rows[before * length + at]
  }
}
