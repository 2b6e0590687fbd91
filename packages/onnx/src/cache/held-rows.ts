import * as tf from '@tensorflow/tfjs-core'
import { packedPositions, positionsOf, spansOf, type Entries } from '@tersor/core'

/** Entries of some heads of a layer as a graph's tensor holds them: at its end, padding before them. */
export interface HeldRows {
  readonly from: number
  readonly to: number
  /** How many there were when they were taken. */
  readonly count: number
  /** Where those stood, of each row; entry i at position i where absent. */
  readonly positions?: readonly Int32Array[]
}

/** A run of tokens that came since. */
export interface Since {
  readonly first: number
  readonly added: number
}

export const heldRowsOf = (held: readonly Entries[]): readonly HeldRows[] =>
  spansOf(held).map(([from, to], i) => ({
    ...{ from, to, count: held[i].keys.shape[1]! },
    ...(held[i].positions ? { positions: positionsOf(held[i]) } : {}),
  }))

/** Positions of one row, those of the tokens since behind. */
const grownList = (list: Int32Array | undefined, count: number, { first, added }: Since): Int32Array =>
  Int32Array.from({ length: count + added }, (_, i) => (i < count ? (list?.[i] ?? i) : first + i - count))

/** Positions of the entries of some heads. */
export const positionsIn = ({ from, to, count, positions }: HeldRows, since: Since): readonly Int32Array[] => {
  if (!positions) return new Array<Int32Array>(to - from).fill(grownList(undefined, count, since))
  return positions.map(list => grownList(list, count, since))
}

/** Floats (heads, width, size) with the entries of all rows at the end of each, zeros before. */
export const paddedRows = (parts: readonly Float32Array[], rows: readonly HeldRows[], width: number, size: number): Float32Array => {
  const heads = rows[rows.length - 1].to
  const all = new Float32Array(heads * width * size)
  rows.forEach(({ from, to, count }, i) => {
    for (let head = from; head < to; head++) {
      const own = parts[i].subarray((head - from) * count * size, (head - from + 1) * count * size)
      all.set(own, (head * width + width - count) * size)
    }
  })
  return all
}

/** The entries of a tensor (heads, width, size), without their padding. */
export const entriesIn = (
  [keys, values]: readonly [Float32Array, Float32Array],
  rows: readonly HeldRows[],
  width: number,
  size: number,
  since: Since,
): readonly Entries[] =>
  rows.map(held => {
    const { from, to } = held
    const count = held.count + since.added
    const cut = (all: Float32Array): tf.Tensor => {
      const own = new Float32Array((to - from) * count * size)
      for (let head = from; head < to; head++)
        own.set(all.subarray((head * width + width - count) * size, (head + 1) * width * size), (head - from) * count * size)
      return tf.tensor3d(own, [to - from, count, size])
    }
    return { keys: cut(keys), values: cut(values), ...packedPositions(positionsIn(held, since)) }
  })
