import { roomForCodes } from './pack-codes.js'
import { runRows, runRowsHere, shareNumbers, type RowArgument, type RowJob, type RunRowsOptions } from './pool.js'

/** Values that go through at once: few enough that they stay in a core's own caches. */
const AT_ONCE = 2 ** 15
const BINS = 2 ** 16

/** Where a running count passes `index`, and what is left of it there. */
const binOf = (counts: Uint32Array, index: number): readonly [bin: number, left: number] => {
  let left = index
  let bin = 0
  while (left >= counts[bin]) left -= counts[bin++]
  return [bin, left]
}

/** Scores of one part: enough that 2^16 counts for each part are little beside them. */
const COUNTED_AT_ONCE = 2 ** 19

/** Counts how often halves of keys occur in each part, (parts, 2^16). */
const countKeys = (
  scores: Float32Array,
  half: readonly [shift: number, high: number],
): { readonly job: RowJob; readonly counts: Int32Array } => {
  const rows = Math.ceil(scores.length / COUNTED_AT_ONCE)
  const counts = new Int32Array(rows * BINS)
  const buffers = {
    scores: { role: 'in', array: scores, each: COUNTED_AT_ONCE },
    counts: { role: 'out', array: counts, each: BINS },
  } as const
  const calls = [['countKeys', { at: 'scores' }, { lengthOf: 'scores' }, ...half, { at: 'counts' }]] as const
  return { job: { rows, atOnce: 1, buffers, calls }, counts }
}

const sumOfParts = (counts: Int32Array): Uint32Array => {
  const sums = new Uint32Array(BINS)
  for (let i = 0; i < counts.length; i++) sums[i & (BINS - 1)] += counts[i]
  return sums
}

/**
 * The jobs that mark all scores with 1 but the `count` smallest, one after the other: upper halves of their keys are counted, then the lower
 * halves of those alike, which gives the bound, and of those equal to it the first go.
 */
function* keepingJobs(scores: Float32Array, count: number, kept: Uint8Array): Generator<RowJob> {
  const upper = countKeys(scores, [16, 0])
  yield upper.job
  const [high, left] = binOf(sumOfParts(upper.counts), count - 1)
  const lower = countKeys(scores, [0, high])
  yield lower.job
  const [low, before] = binOf(sumOfParts(lower.counts), left)
  let rest = before + 1
  const equal = Int32Array.from({ length: lower.counts.length / BINS }, (_, part) => {
    const here = Math.min(rest, lower.counts[part * BINS + low])
    rest -= here
    return here
  })
  const bound = ((high << 16) | low) ^ 0x80000000 // kernels compare signed keys
  const buffers = {
    scores: { role: 'in', array: scores, each: COUNTED_AT_ONCE },
    equal: { role: 'in', array: equal, each: 1 },
    kept: { role: 'out', array: kept, each: COUNTED_AT_ONCE },
  } as const
  const calls = [['keepAbove', { at: 'scores' }, { lengthOf: 'scores' }, bound, { at: 'equal' }, { at: 'kept' }]] as const
  yield { rows: equal.length, atOnce: 1, buffers, calls }
}

/** Marks all scores with 1 but the `count` smallest, which get 0; NaN is larger than all numbers, of equals the first go. */
export const keepLargest = (scores: Float32Array, count: number): Uint8Array => {
  const kept = new Uint8Array(scores.length)
  if (count === 0) return kept.fill(1)
  for (const job of keepingJobs(scores, count, kept)) runRowsHere(job)
  return kept
}

/** The same on all threads; the marks are in memory that these share. */
export const keepLargestOfAll = async (given: Float32Array, count: number, options: RunRowsOptions = {}): Promise<Uint8Array> => {
  const scores = shareNumbers(given)
  const kept = roomForCodes(scores.length)
  if (count === 0) return kept.fill(1)
  for (const job of keepingJobs(scores, count, kept)) await runRows(job, options)
  return kept
}

/** What `runRows` or `runRowsHere` has to do, and where the marks are then. */
export interface Marking {
  readonly job: RowJob
  /** 1 where a score is kept, else 0. */
  readonly kept: Uint8Array
}

const marking = (
  kernel: 'keepLargestOfRows' | 'keepLargestOfRuns',
  scores: Float32Array,
  columns: number,
  how: readonly RowArgument[],
): Marking => {
  const kept = roomForCodes(scores.length)
  const buffers = {
    scores: { role: 'in', array: scores, each: columns },
    room: { role: 'whole', array: new Int32Array(columns) },
    kept: { role: 'out', array: kept, each: columns },
  } as const
  const calls = [[kernel, { at: 'scores' }, { lengthOf: 'scores' }, columns, ...how, { at: 'room' }, { at: 'kept' }]] as const
  const rows = columns === 0 ? 0 : scores.length / columns
  return { kept, job: { rows, atOnce: Math.max(1, Math.floor(AT_ONCE / Math.max(1, columns))), buffers, calls } }
}

/** The same within each row. scores: (rows, columns). */
export const keepLargestOfRows = (scores: Float32Array, columns: number, count: number): Marking =>
  marking('keepLargestOfRows', scores, columns, [count])

/** Keeps n of every m neighbours of a row; a last run that is shorter keeps its share, rounded up. */
export const keepLargestOfRuns = (scores: Float32Array, columns: number, [n, m]: readonly [n: number, m: number]): Marking =>
  marking('keepLargestOfRuns', scores, columns, [m, n])
