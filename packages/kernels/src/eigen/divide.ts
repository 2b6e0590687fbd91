import * as tf from '@tensorflow/tfjs-core'
import { lendArray } from '../lend-array.js'
import { wasmKernels, type WasmKernels } from '../wasm.js'
import { deflate } from './deflate.js'
import { diagonalise } from './diagonalise.js'

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
export async function divide(diagonal: Float64Array, offDiagonal: Float64Array, kernels = wasmKernels()): Promise<Spectrum> {
  const n = diagonal.length
  if (n <= LEAF) return leaf(diagonal.slice(), offDiagonal.slice(0, n))
  const middle = n >>> 1
  const coupling = offDiagonal[middle - 1]
  const [first, second] = [diagonal.slice(0, middle), diagonal.slice(middle)]
  first[middle - 1] -= Math.abs(coupling)
  second[0] -= Math.abs(coupling)
  const upper = await divide(first, offDiagonal.subarray(0, middle), kernels)
  const lower = await divide(second, offDiagonal.subarray(middle), kernels)
  return conquer(upper, lower, coupling, kernels)
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
  const order = Array.from(values.keys()).sort((i, j) => values[i] - values[j] || i - j)
  const vectors = new Float32Array(n * n)
  order.forEach((from, to) => vectors.set(rows.subarray(from * n, (from + 1) * n), to * n))
  return { values: Float64Array.from(order, from => values[from]), vectors }
}

/** diag(values) + ρ z·zᵀ, of which the kept part is coupled. */
interface System {
  readonly values: Float64Array
  readonly z: Float64Array
  readonly rho: number
  readonly kept: Int32Array
}

async function conquer(upper: Spectrum, lower: Spectrum, coupling: number, kernels: WasmKernels): Promise<Spectrum> {
  const [m1, m2] = [upper.values.length, lower.values.length]
  const n = m1 + m2
  const rows = new Float32Array(n * n)
  for (let i = 0; i < m1; i++) rows.set(upper.vectors.subarray(i * m1, (i + 1) * m1), i * n)
  for (let i = 0; i < m2; i++) rows.set(lower.vectors.subarray(i * m2, (i + 1) * m2), (m1 + i) * n + m1)
  const values = new Float64Array(n)
  values.set(upper.values)
  values.set(lower.values, m1)
  const sign = Math.sign(coupling) * Math.SQRT1_2
  const z = Float64Array.from(values, (_, i) => (i < m1 ? rows[i * n + m1 - 1] * Math.SQRT1_2 : rows[i * n + m1] * sign)) // unit length
  const rho = 2 * Math.abs(coupling)
  const kept = deflate(values, z, rho, rows)
  if (kept.length > 0) await solve({ values, z, rho, kept }, rows, kernels)
  return sorted(values, rows)
}

/** Puts the eigenvalues and eigenvectors of the kept part in place of what was kept. */
async function solve(system: System, rows: Float32Array, kernels: WasmKernels): Promise<void> {
  const { values, z, rho, kept } = system
  const [n, size] = [values.length, kept.length]
  const arena = kernels.arena(12 * size * size + 32 * size + 96)
  const [d, weights, roots, squares] = [arena.f64(size), arena.f64(size), arena.f64(size), arena.f64(size)]
  const [differences, vectors] = [arena.f64(size * size), arena.f32(size * size)] // rows: d_k − λ_i, and eigenvectors
  kept.forEach((from, to) => {
    d[to] = values[from]
    weights[to] = z[from]
  })
  kernels.secularRoots(d.byteOffset, weights.byteOffset, size, rho, roots.byteOffset, differences.byteOffset)
  kernels.secularVectors(d.byteOffset, weights.byteOffset, size, differences.byteOffset, squares.byteOffset, vectors.byteOffset)
  kept.forEach((to, from) => (values[to] = roots[from]))
  const old = new Float32Array(size * n)
  kept.forEach((from, to) => old.set(rows.subarray(from * n, (from + 1) * n), to * n))
  const product = tf.tidy(() => tf.matMul(lendArray(vectors, [size, size]), lendArray(old, [size, n]))) // (size, n)
  const fresh = await product.data<'float32'>()
  product.dispose()
  kept.forEach((to, from) => rows.set(fresh.subarray(from * n, (from + 1) * n), to * n))
}
