import * as tf from '@tensorflow/tfjs-core'
import { lendArray } from '../matrix-block.js'
import { deflate } from './deflate.js'
import { diagonalise } from './diagonalise.js'
import { secularRoot } from './secular.js'

/** T = Vᵀ · diag(values) · V. */
export interface Spectrum {
  /** Ascending, (n). */
  readonly values: Float64Array
  /** Row i is the unit eigenvector of value i, (n, n) row-major. */
  readonly vectors: Float32Array
}

/** Up to this size the QL iteration is as fast. */
const LEAF = 32

/**
 * Gives the eigenvalues and eigenvectors of a symmetric tridiagonal matrix by divide and conquer: with the coupling e of the halves
 * taken out, T = diag(T₁, T₂) + |e| u·uᵀ, whose eigenvalues are roots of a secular equation and whose eigenvectors are one product.
 * Cuppen 1981, https://doi.org/10.1007/BF01396757; Gu and Eisenstat 1995, https://doi.org/10.1137/S0895479892241287
 */
export async function divide(diagonal: Float64Array, offDiagonal: Float64Array): Promise<Spectrum> {
  const n = diagonal.length
  if (n <= LEAF) return leaf(diagonal.slice(), offDiagonal.slice(0, n))
  const middle = n >>> 1
  const coupling = offDiagonal[middle - 1]!
  const [first, second] = [diagonal.slice(0, middle), diagonal.slice(middle)]
  first[middle - 1]! -= Math.abs(coupling)
  second[0]! -= Math.abs(coupling)
  const upper = await divide(first, offDiagonal.subarray(0, middle))
  const lower = await divide(second, offDiagonal.subarray(middle))
  return conquer(upper, lower, coupling)
}

function leaf(d: Float64Array, e: Float64Array): Spectrum {
  const n = d.length
  e[n - 1] = 0
  const basis = Float64Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 1 : 0))
  diagonalise(d, e, basis, n)
  return sorted(d, Float32Array.from(basis))
}

/** Values in ascending order, and the rows with them. */
function sorted(values: Float64Array, rows: Float32Array): Spectrum {
  const n = values.length
  const order = Array.from(values.keys()).sort((i, j) => values[i]! - values[j]! || i - j)
  const vectors = new Float32Array(n * n)
  order.forEach((from, to) => vectors.set(rows.subarray(from * n, (from + 1) * n), to * n))
  return { values: Float64Array.from(order, from => values[from]!), vectors }
}

async function conquer(upper: Spectrum, lower: Spectrum, coupling: number): Promise<Spectrum> {
  const [m1, m2] = [upper.values.length, lower.values.length]
  const n = m1 + m2
  const rows = new Float32Array(n * n)
  for (let i = 0; i < m1; i++) rows.set(upper.vectors.subarray(i * m1, (i + 1) * m1), i * n)
  for (let i = 0; i < m2; i++) rows.set(lower.vectors.subarray(i * m2, (i + 1) * m2), (m1 + i) * n + m1)
  const values = Float64Array.of(...upper.values, ...lower.values)
  const sign = Math.sign(coupling) * Math.SQRT1_2
  const z = Float64Array.from(values, (_, i) => (i < m1 ? rows[i * n + m1 - 1]! * Math.SQRT1_2 : rows[i * n + m1]! * sign)) // unit length
  const rho = 2 * Math.abs(coupling)
  const kept = deflate(values, z, rho, rows)
  if (kept.length > 0) await solve(values, z, rho, rows, kept)
  return sorted(values, rows)
}

/** Puts the eigenvalues and eigenvectors of the kept part in place of what was kept. */
async function solve(values: Float64Array, z: Float64Array, rho: number, rows: Float32Array, kept: Int32Array): Promise<void> {
  const [n, size] = [values.length, kept.length]
  const d = Float64Array.from(kept, at => values[at]!)
  const weights = Float64Array.from(kept, at => z[at]!)
  const differences = new Float64Array(size * size) // row i: d_k − λ_i
  for (let i = 0; i < size; i++) values[kept[i]!] = secularRoot(d, weights, rho, i, differences.subarray(i * size, (i + 1) * size))
  const old = new Float32Array(size * n)
  kept.forEach((from, to) => old.set(rows.subarray(from * n, (from + 1) * n), to * n))
  const product = tf.tidy(() => tf.matMul(lendArray(vectorsOf(d, weights, differences), [size, size]), lendArray(old, [size, n]))) // (size, n)
  const fresh = await product.data<'float32'>()
  product.dispose()
  kept.forEach((to, from) => rows.set(fresh.subarray(from * n, (from + 1) * n), to * n))
}

/**
 * Row i: the unit vector along z̃_k / (d_k − λ_i), where z̃ is what the computed roots are exact for,
 * z̃_k² = Π_i (λ_i − d_k) / Π_{i≠k} (d_i − d_k), so that the rows are orthogonal however close the roots lie.
 */
function vectorsOf(d: Float64Array, z: Float64Array, differences: Float64Array): Float32Array {
  const size = d.length
  const squares = new Float64Array(size).fill(1)
  for (let i = 0; i < size; i++)
    for (let k = 0; k < size; k++) squares[k]! *= i === k ? -differences[i * size + k]! : differences[i * size + k]! / (d[k]! - d[i]!)
  const exact = squares.map((square, k) => Math.sqrt(Math.abs(square)) * (z[k]! < 0 ? -1 : 1))
  const vectors = new Float32Array(size * size)
  const row = new Float64Array(size)
  for (let i = 0; i < size; i++) {
    let square = 0
    for (let k = 0; k < size; k++) {
      row[k] = exact[k]! / differences[i * size + k]!
      square += row[k]! ** 2
    }
    const scale = 1 / Math.sqrt(square)
    for (let k = 0; k < size; k++) vectors[i * size + k] = row[k]! * scale
  }
  return vectors
}
