import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import { cholesky } from './cholesky.js'
import { lendArray } from './lend-array.js'
import { qr } from './qr.js'
import { svd, type Svd } from './svd.js'
import { triangularInverse } from './triangular-inverse.js'

export interface RandomizedSvdOptions {
  /** Where uniform numbers of [0, 1) come from; the same ones give the same bytes. */
  readonly rng: { uniform(): number }
  /** Columns sampled beyond the rank, by default 8. */
  readonly oversampling?: number
  /** Power iterations, by default 2; more help where singular values fall slowly. */
  readonly iterations?: number
}

/**
 * Gives the leading singular triplets of a matrix, (rows, columns) row-major: u (rows, rank), s (rank), v (columns, rank).
 * The array must stay as it is meanwhile. Y = A·Ω for a random Ω, Q = orth(Y), then Q ← orth(A · orth(Aᵀ·Q)) for each iteration; A ≈ Q · svd(Qᵀ·A).
 * Throws `BAD_OPTION`, `NOT_FINITE`. Cost: (2 + 2·iterations) · rows · columns · (rank + oversampling) multiply-adds on the engine.
 * Halko, Martinsson and Tropp 2011, https://doi.org/10.1137/090771806
 * Differs from the paper: Ω is uniform, not Gaussian, and bases between iterations are orthogonal as far as one pass makes them.
 */
export async function randomizedSvd(
  a: Float32Array,
  rows: number,
  columns: number,
  rank: number,
  options: RandomizedSvdOptions,
): Promise<Svd> {
  const { rng, oversampling = 8, iterations = 2 } = options
  const full = Math.min(rows, columns)
  checkCount('rank', rank, 1, full)
  checkCount('oversampling', oversampling, 0, Infinity)
  checkCount('iterations', iterations, 0, Infinity)
  const width = Math.min(rank + oversampling, full)
  const matrix = lendArray(a, [rows, columns])
  try {
    const start = Float32Array.from({ length: columns * width }, () => 2 * rng.uniform() - 1)
    let basis = await orthonormal(times(matrix, start, width, false), rows, width, iterations > 0 ? 1 : 2)
    for (let step = 1; step <= iterations; step++) {
      const other = await orthonormal(times(matrix, basis, width, true), columns, width, 1)
      basis = await orthonormal(times(matrix, other, width, false), rows, width, step < iterations ? 1 : 2)
    }
    const { u, s, v } = await svd(await read(times(matrix, basis, width, true)), columns, width) // of Aᵀ·Q
    const left = tf.tidy(() => tf.matMul(lendArray(basis, [rows, width]), lendArray(v, [width, width])) as tf.Tensor2D) // (rows, width)
    return { u: firstColumns(await read(left), rows, width, rank), s: s.slice(0, rank), v: firstColumns(u, columns, width, rank) }
  } finally {
    matrix.dispose()
  }
}

function checkCount(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  const range = most === Infinity ? `of at least ${least}` : `from ${least} to ${most}`
  throw new CompressionError('BAD_OPTION', `randomizedSvd got ${name} = ${value}.`, `Pass an integer ${range}.`, { option: name, value })
}

/** A·x or Aᵀ·x for x with `width` columns. */
const times = (matrix: tf.Tensor2D, x: Float32Array, width: number, transposed: boolean): tf.Tensor2D =>
  tf.tidy(() => tf.matMul(matrix, lendArray(x, [x.length / width, width]), transposed) as tf.Tensor2D)

async function read(tensor: tf.Tensor2D): Promise<Float32Array> {
  const values = await tensor.data<'float32'>()
  tensor.dispose()
  return values
}

const firstColumns = (matrix: Float32Array, rows: number, columns: number, count: number): Float32Array => {
  const result = new Float32Array(rows * count)
  for (let row = 0; row < rows; row++) result.set(matrix.subarray(row * columns, row * columns + count), row * count)
  return result
}

/** Beyond this distance of QᵀQ from the identity a first pass has lost too much for a second to repair. */
const REPAIRABLE = 0.1

/**
 * An orthonormal basis of the columns of Y, (rows, columns): Y·L⁻ᵀ with L·Lᵀ = YᵀY, in one pass or two, which is nearly all products;
 * where the columns depend on each other too much for that, Householder QR. Disposes of Y.
 * Yamamoto et al. 2015, https://etna.ricam.oeaw.ac.at/vol.44.2015/pp306-326.dir/pp306-326.pdf
 */
async function orthonormal(y: tf.Tensor2D, rows: number, columns: number, passes: 1 | 2): Promise<Float32Array> {
  const values = await read(y)
  try {
    const once = await divideByFactor(values, rows, columns)
    if (passes === 1) return once.values
    const twice = await divideByFactor(once.values, rows, columns)
    if (twice.distance <= REPAIRABLE) return twice.values
  } catch (error) {
    if ((error as Partial<CompressionError>).code !== 'NOT_POSITIVE_DEFINITE') throw error
  }
  return qr(values, rows, columns).q
}

/** Y·L⁻ᵀ, and the largest entry of YᵀY − I. */
async function divideByFactor(values: Float32Array, rows: number, columns: number): Promise<{ values: Float32Array; distance: number }> {
  const y = lendArray(values, [rows, columns])
  try {
    const gram = await read(tf.matMul(y, y, true))
    const distance = gram.reduce((most, value, at) => Math.max(most, Math.abs(value - (at % (columns + 1) === 0 ? 1 : 0))), 0)
    const inverse = await triangularInverse(await cholesky(gram, columns), columns)
    return { values: await read(tf.tidy(() => tf.matMul(y, lendArray(inverse, [columns, columns]), false, true))), distance }
  } finally {
    y.dispose()
  }
}
