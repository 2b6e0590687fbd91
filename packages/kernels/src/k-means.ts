import { CompressionError } from '@tersor/tensor'
import { clusterLine } from './k-means/line.js'
import { clusterPoints } from './k-means/points.js'
import type { KMeans } from './k-means/problem.js'
import { seedCentres } from './k-means/seed.js'

export type { KMeans } from './k-means/problem.js'

export interface KMeansOptions {
  /** Number of clusters. */
  readonly clusters: number
  /** Numbers that make up a point, by default 1. */
  readonly dimension?: number
  /** How much each point counts, (points); not negative. */
  readonly weights?: ArrayLike<number>
  /** Most rounds of Lloyd's iteration, by default 50; it ends earlier when no point changes its cluster. */
  readonly iterations?: number
  /** Where uniform numbers of [0, 1) come from; the same ones give the same bytes. */
  readonly rng: { uniform(): number }
}

/**
 * Finds centres that the points, (points, dimension) row-major, lie close to: argmin Σ_i w_i ‖x_i − c_{a_i}‖².
 * Seeds by k-means++, then Lloyd's iteration: each point goes to the nearest centre, each centre to the mean of its points;
 * a centre without points goes to the point that is farthest from its own. Throws `BAD_OPTION`, `NOT_FINITE`.
 * Cost: points · clusters · dimension a round; in one dimension sorting once, and then clusters · log₂(points) a round.
 * Arthur and Vassilvitskii 2007, https://dl.acm.org/doi/10.5555/1283383.1283494; Lloyd 1982, https://doi.org/10.1109/TIT.1982.1056489
 */
export function kMeans(points: Float32Array, options: KMeansOptions): KMeans {
  const { clusters, dimension = 1, iterations = 50, weights, rng } = options
  const count = points.length / dimension
  check(Number.isInteger(count), 'dimension', dimension, `a number that divides the ${points.length} numbers of the points`)
  check(Number.isInteger(clusters) && clusters >= 1 && clusters <= count, 'clusters', clusters, `an integer from 1 to the ${count} points`)
  check(Number.isInteger(iterations) && iterations >= 0, 'iterations', iterations, 'an integer of at least 0')
  const counts = weights === undefined ? new Float64Array(count).fill(1) : Float64Array.from(weights)
  check(counts.length === count && counts.every(weight => weight >= 0), 'weights', `${counts.length} numbers`, `${count}, none negative`)
  const bad = points.findIndex(value => !Number.isFinite(value))
  if (bad >= 0) {
    throw new CompressionError('NOT_FINITE', `kMeans got ${points[bad]} at ${bad}.`, 'Look for NaN or infinity in the points.', { at: bad })
  }
  const problem = { points, weights: counts, count, dimension, clusters }
  const centres = seedCentres(problem, rng)
  return dimension === 1 ? clusterLine(problem, centres, iterations) : clusterPoints(problem, centres, iterations)
}

function check(holds: boolean, option: string, value: unknown, wanted: string): void {
  if (!holds) throw new CompressionError('BAD_OPTION', `kMeans got ${option} = ${String(value)}.`, `Pass ${wanted}.`, { option, value })
}
