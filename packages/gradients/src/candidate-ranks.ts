import { createRng, type ExchangedGradient, type Rng } from '@tersor/core'
import { sumOfSquares } from '@tersor/kernels/vectors'
import { orthonormalize, timesThin, transposedTimesThin } from '@tersor/kernels/thin-products'
import { sizeOf, type Shape } from '@tersor/tensor'
import type { Candidates } from './candidates.js'
import type { Collective } from './collective/collective.js'
import { approximate, dimensions, firstFactor, isFactored } from './thin-factors.js'

/** Rounds of power iteration that a measurement takes; behind three the directions are those of the largest singular values, near enough. */
const ROUNDS = 3

/** Σ over rows of the squares of each column of Q (rows, rank), column by column. */
const squaresOfColumns = (q: Float32Array, rank: number): Float64Array => {
  const sums = new Float64Array(rank)
  q.forEach((value, i) => (sums[i % rank] += value * value))
  return sums
}

/** ‖M − Pᵣ Pᵣᵀ M‖² of M (rows, columns) for the first r = 0, 1, … columns of P, which power iteration finds: (most + 1). */
export const errorsByRank = (m: Float32Array, rows: number, columns: number, most: number, rng: Rng): Float64Array => {
  let q: Float32Array = Float32Array.from({ length: columns * most }, () => rng.normal())
  for (let round = 0; round < ROUNDS; round++) {
    const p = timesThin(m, q, rows, columns, most)
    orthonormalize(p, rows, most)
    q = transposedTimesThin(m, p, rows, columns, most)
  }
  const errors = new Float64Array(most + 1)
  errors[0] = sumOfSquares(m)
  squaresOfColumns(q, most).forEach((square, r) => (errors[r + 1] = Math.max(0, errors[r] - square)))
  return errors
}

/** Q (columns, from) as Q (columns, to) in the same array: columns that are new are drawn. */
export const resizeFactor = (factor: Float32Array, columns: number, from: number, to: number, rng: Rng): void => {
  const before = factor.slice(0, columns * from)
  for (let column = 0; column < columns; column++)
    for (let k = 0; k < to; k++) factor[column * to + k] = k < from ? before[column * from + k] : rng.normal()
}

/** Ranks of which each matrix has one, the first where none is chosen yet. */
export const candidateRanks = (peers: Collective, ranks: readonly number[]): Candidates => {
  const largest = Math.max(...ranks)
  const rankOf = (shape: Shape, candidate: number): number => Math.min(ranks[candidate], ...dimensions(shape))
  return {
    takes: shape => isFactored(shape, ranks[0]),
    init: (shape, name) => ({ error: new Float32Array(sizeOf(shape)), factor: firstFactor(shape, name, largest) }),
    measure: ({ values, shape }, { common }) => {
      const [rows, columns] = dimensions(shape)
      const errors = errorsByRank(values, rows, columns, rankOf(shape, ranks.indexOf(largest)), common)
      const sizeOfRank = (rank: number): number => 4 * rank * (rows + columns)
      return Promise.resolve(ranks.map((_, i) => ({ error: errors[rankOf(shape, i)], size: sizeOfRank(rankOf(shape, i)) })))
    },
    changed: ({ state, shape, name }, before) => {
      const rng = createRng(0).fork(`columns of ${name}`) // the same on all workers
      resizeFactor(state.factor, dimensions(shape)[1], rankOf(shape, before), rankOf(shape, state.choice[0]), rng)
    },
    exchange: (gradients, _step) =>
      approximate(peers, gradients.map((gradient: ExchangedGradient) => { const [rows, columns] = dimensions(gradient.shape); return { gradient, rows, columns, rank: rankOf(gradient.shape, gradient.state.choice[0]) } })), // prettier-ignore
  }
}
