import type { SparsityPattern } from '@tersor/core'
import {
  keepLargest as keepLargestOf,
  keepLargestOfAll,
  keepLargestOfRows,
  keepLargestOfRuns,
  runRows,
  runRowsHere,
  type Marking,
  type RunRowsOptions,
} from '@tersor/kernels'

/** How many weights go and among which they are compared. */
export interface Removal {
  /** Fraction removed. */
  readonly sparsity: number
  /** "N:M" keeps N of every M neighbours of a row, instead of `sparsity`. */
  readonly pattern?: SparsityPattern | undefined
  readonly within: 'row' | 'layer'
}

const markingOf = (scores: Float32Array, columns: number, { sparsity, pattern }: Removal): Marking =>
  pattern ? keepLargestOfRuns(scores, columns, parsePattern(pattern)) : keepLargestOfRows(scores, columns, Math.floor(columns * sparsity))

const isWhole = ({ pattern, within }: Removal): boolean => !pattern && within === 'layer'

/** 1 where the score is among the largest of its row, layer or N:M group, 0 where the weight goes; (rows · columns). */
export const keepLargest = (scores: Float32Array, columns: number, removal: Removal): Uint8Array => {
  if (isWhole(removal)) return keepLargestOf(scores, Math.floor(scores.length * removal.sparsity))
  const { job, kept } = markingOf(scores, columns, removal)
  runRowsHere(job)
  return kept
}

/** The same on all threads. */
export const keepLargestOnThreads = async (
  scores: Float32Array,
  columns: number,
  removal: Removal,
  options: RunRowsOptions,
): Promise<Uint8Array> => {
  if (isWhole(removal)) return keepLargestOfAll(scores, Math.floor(scores.length * removal.sparsity), options)
  const { job, kept } = markingOf(scores, columns, removal)
  await runRows(job, options)
  return kept
}

/** N and M of "N:M". */
export const parsePattern = (pattern: SparsityPattern): readonly [n: number, m: number] => {
  const [n, m] = pattern.split(':').map(Number)
  return [n, m]
}
