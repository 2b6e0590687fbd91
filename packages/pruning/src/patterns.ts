import type { SparsityPattern } from '@tersor/core'
import { nthElement } from '@tersor/kernels'

/** How many weights go and among which they are compared. */
export interface Removal {
  /** Fraction removed. */
  readonly sparsity: number
  /** "N:M" keeps N of every M neighbours of a row, instead of `sparsity`. */
  readonly pattern?: SparsityPattern | undefined
  readonly within: 'row' | 'layer'
}

/** 1 where the score is among the largest of its row, layer or N:M group, 0 where the weight goes; (rows · columns). */
export const keepLargest = (scores: Float32Array, columns: number, { sparsity, pattern, within }: Removal): Uint8Array => {
  const kept = new Uint8Array(scores.length).fill(1)
  if (pattern) removePattern(scores, kept, columns, pattern)
  else if (within === 'layer') removeSmallest(scores, kept, 0, scores.length, Math.floor(scores.length * sparsity))
  else
    for (let start = 0; start < scores.length; start += columns)
      removeSmallest(scores, kept, start, start + columns, Math.floor(columns * sparsity))
  return kept
}

/** Removes exactly `count` of a range; among equal scores the first go. */
const removeSmallest = (scores: Float32Array, kept: Uint8Array, start: number, end: number, count: number): void => {
  if (count === 0) return
  const threshold = nthElement(scores.slice(start, end), count - 1)
  let left = count
  for (let i = start; i < end; i++) {
    if (scores[i] < threshold) {
      kept[i] = 0
      left--
    }
  }
  for (let i = start; i < end && left > 0; i++) {
    if (scores[i] === threshold) {
      kept[i] = 0
      left--
    }
  }
}

/** N and M of "N:M". */
export const parsePattern = (pattern: SparsityPattern): readonly [n: number, m: number] => {
  const [n, m] = pattern.split(':').map(Number)
  return [n, m]
}

const removePattern = (scores: Float32Array, kept: Uint8Array, columns: number, pattern: SparsityPattern): void => {
  const [n, m] = parsePattern(pattern)
  for (let row = 0; row < scores.length; row += columns) {
    for (let start = row; start < row + columns; start += m) {
      const end = Math.min(start + m, row + columns)
      // A last run shorter than M keeps its share, rounded up.
      removeSmallest(scores, kept, start, end, end - start - Math.ceil((n * (end - start)) / m))
    }
  }
}
