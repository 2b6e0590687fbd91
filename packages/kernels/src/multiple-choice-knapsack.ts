import { CompressionError } from '@tersor/tensor'

export interface MultipleChoice {
  /** What each candidate of each item does wrong, (items)(candidates), from 0 on. */
  readonly errors: readonly (readonly number[])[]
  /** What each takes, in the same places. */
  readonly sizes: readonly (readonly number[])[]
  /** The most that all chosen errors may add up to. */
  readonly limit: number
  /** Parts that the limit is divided into, into which errors are rounded; 10,000 where absent. */
  readonly buckets?: number
}

/** What floats may be off by, so that an error of three whole buckets is not taken for four. */
const ROUNDING = 1e-9

const check = (holds: boolean, what: string, remedy: string): void => {
  if (!holds) throw new CompressionError('BAD_OPTION', what, remedy)
}

const checkTables = ({ errors, sizes, limit, buckets = 1 }: MultipleChoice): void => {
  check(limit >= 0 && Number.isFinite(limit), `A choice got a limit of ${limit}.`, 'Pass a number of at least 0.')
  check(Number.isInteger(buckets) && buckets >= 1, `A choice got ${buckets} buckets.`, 'Pass an integer of at least 1.')
  check(
    errors.length === sizes.length,
    `There are errors of ${errors.length} items and sizes of ${sizes.length}.`,
    'Pass both of each item.',
  )
  errors.forEach((row, item) => {
    const fits = row.length > 0 && row.length === sizes[item].length && row.every(error => error >= 0) && sizes[item].every(Number.isFinite)
    check(fits, `Item ${item} has the errors ${row.join(', ')} and the sizes ${sizes[item].join(', ')}.`, 'Pass one of each a candidate, errors from 0 on.') // prettier-ignore
  })
}

/** The best choice where each error takes so many buckets. */
const solve = (steps: readonly (readonly number[])[], sizes: MultipleChoice['sizes'], buckets: number): Int32Array | undefined => {
  const chosen: Uint16Array[] = []
  let best = new Float64Array(buckets + 1)
  for (const [item, row] of steps.entries()) {
    const next = new Float64Array(buckets + 1).fill(Infinity)
    const of = new Uint16Array(buckets + 1)
    row.forEach((cost, candidate) => {
      for (let budget = cost; budget <= buckets; budget++) {
        const size = best[budget - cost] + sizes[item][candidate]
        if (size < next[budget]) {
          next[budget] = size
          of[budget] = candidate
        }
      }
    })
    chosen.push(of)
    best = next
  }
  if (!Number.isFinite(best[buckets])) return undefined
  let budget = best.indexOf(best[buckets]) // the smallest budget with this size
  const choice = new Int32Array(steps.length)
  for (let item = steps.length - 1; item >= 0; item--) {
    choice[item] = chosen[item][budget]
    budget -= steps[item][choice[item]]
  }
  return choice
}

const sumOf = (rows: readonly (readonly number[])[], choice: Int32Array): number =>
  choice.reduce((sum, candidate, item) => sum + rows[item][candidate], 0)

/**
 * One candidate of each item, such that all errors together stay within a limit and all sizes together are as small as can be; nothing where no
 * choice stays within it. Errors are rounded to buckets, and up where the nearest ones would break the limit, so that it always holds; of
 * choices as small, that with less error up to a bucket. best[item][budget] = min over candidates of best[item − 1][budget − error] + size;
 * 2 · items · candidates · buckets steps.
 * Throws BAD_OPTION. Kellerer, Pferschy and Pisinger 2004, https://doi.org/10.1007/978-3-540-24777-7
 */
export const multipleChoiceKnapsack = (tables: MultipleChoice): Int32Array | undefined => {
  checkTables(tables)
  const { errors, sizes, limit, buckets = 10_000 } = tables
  const stepsOf = (round: (parts: number) => number): readonly (readonly number[])[] =>
    errors.map(row => row.map(error => (error === 0 ? 0 : limit === 0 ? Infinity : round((error / limit) * buckets))))
  const nearest = solve(stepsOf(Math.round), sizes, buckets)
  if (nearest === undefined || sumOf(errors, nearest) <= limit) return nearest
  return solve(
    stepsOf(parts => Math.ceil(parts - ROUNDING)),
    sizes,
    buckets,
  )
}
