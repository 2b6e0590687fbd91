import type { Rng } from '@tersor/core'
import { leastSquares } from '@tersor/kernels/least-squares'
import { CompressionError } from '@tersor/tensor'

/** Each of n workers sends one sum of the parts that it holds; of the sums of any n − s workers the sum of all n parts can be made. */
export interface CyclicCode {
  readonly size: number
  /** How many workers may be missing. */
  readonly stragglers: number
  /** Of each worker, the parts that it holds, one behind the other around the circle. */
  readonly parts: readonly (readonly number[])[]
  /** By which it multiplies each of them. */
  readonly weights: readonly Float64Array[]
}

/** Rows of H (s, n), drawn such that they add up to 0: what multiplies to 0 with it is the space of what workers send, and holds (1, …, 1). */
const drawnChecks = (size: number, stragglers: number, rng: Rng): readonly Float64Array[] =>
  Array.from({ length: stragglers }, () => {
    const row = Float64Array.from({ length: size }, (_, i) => (i < size - 1 ? rng.normal() : 0))
    row[size - 1] = -row.reduce((sum, value) => sum + value, 0)
    return row
  })

/**
 * A gradient code: worker i holds parts i, …, i + s (mod n), and sends Σ bᵢⱼ gⱼ, with bᵢᵢ = 1 and the others such that H bᵢ = 0.
 * Throws BAD_OPTION. Tandon et al. 2017, https://arxiv.org/abs/1612.03301
 */
export const cyclicCode = (size: number, stragglers: number, rng: Rng): CyclicCode => {
  if (!(Number.isInteger(size) && size >= 1 && Number.isInteger(stragglers) && stragglers >= 0 && stragglers < size))
    throw new CompressionError('BAD_OPTION', `A code of ${size} workers got ${stragglers} stragglers.`, 'Pass fewer stragglers than workers.', { size, stragglers }) // prettier-ignore
  const checks = drawnChecks(size, stragglers, rng)
  const parts = Array.from({ length: size }, (_, i) => Array.from({ length: stragglers + 1 }, (_, k) => (i + k) % size))
  const weights = parts.map(([first, ...others]) => {
    const matrix = Float64Array.from(checks.flatMap(row => others.map(part => row[part]))) // (s, s)
    const right = Float64Array.from(checks, row => -row[first])
    return Float64Array.of(1, ...(stragglers > 0 ? leastSquares(matrix, right) : []))
  })
  return { size, stragglers, parts, weights }
}

/** What the sums of such workers are multiplied by, so that they add up to the sum of all parts: aᵀ B = (1, …, 1). Throws BAD_DATA for too few. */
export const decodingWeights = ({ size, stragglers, parts, weights }: CyclicCode, workers: readonly number[]): Float64Array => {
  const needed = size - stragglers
  if (workers.length < needed)
    throw new CompressionError('BAD_DATA', `A code that needs ${needed} workers got ${workers.length}.`, 'Wait for more of them.', { needed }) // prettier-ignore
  const chosen = workers.slice(0, needed)
  const matrix = new Float64Array(size * needed) // Bᵀ of them, (n, n − s)
  chosen.forEach((worker, column) => parts[worker].forEach((part, k) => (matrix[part * needed + column] = weights[worker][k])))
  return leastSquares(matrix, new Float64Array(size).fill(1))
}
