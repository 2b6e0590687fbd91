import * as tf from '@tensorflow/tfjs-core'
import type { Entries } from './layer-cache.js'
import { turnPairs } from './turn-pairs.js'

/** Of each row, the places of the entries that stay, ascending. */
export type Kept = readonly Int32Array[]

/** Rows from and to of each run of rows that hold equally many. */
export const spansOf = (held: readonly Pick<Entries, 'keys'>[]): readonly (readonly [from: number, to: number])[] => {
  let to = 0
  return held.map(({ keys }) => [to, (to += keys.shape[0])] as const)
}

/** Lists one behind the other. */
export const flat = <T extends Float32Array | Int32Array>(lists: readonly T[]): T => {
  const all = new (lists[0].constructor as new (length: number) => T)(lists.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const list of lists) {
    all.set(list, at)
    at += list.length
  }
  return all
}

/** The positions of each row. */
export const positionsOf = ({ keys, positions }: Entries): readonly Int32Array[] => {
  const [rows, entries] = keys.shape as [number, number, number]
  const all = positions ?? Int32Array.from({ length: entries }, (_, i) => i)
  return Array.from({ length: rows }, (_, row) => (all.length === entries ? all : all.subarray(row * entries, (row + 1) * entries)))
}

const sameList = (a: Int32Array, b: Int32Array): boolean => a.length === b.length && a.every((value, i) => value === b[i])

/** Positions as entries hold them: none where they are 0, 1, 2 …, one list where all rows have the same. */
export const packedPositions = (lists: readonly Int32Array[]): Pick<Entries, 'positions'> => {
  const [first] = lists
  if (lists.some(list => !sameList(list, first))) return { positions: flat(lists) }
  return first.every((position, i) => position === i) ? {} : { positions: first.slice() }
}

/** Runs of neighbouring rows that keep equally many: where they begin and end. */
const runsOf = (kept: Kept): readonly (readonly [from: number, to: number])[] => {
  const starts = kept.flatMap((list, row) => (row === 0 || list.length !== kept[row - 1].length ? [row] : []))
  return starts.map((from, i) => [from, starts[i + 1] ?? kept.length] as const)
}

/** The entries that stay, in tensors of their own; rows that keep different numbers part. The given ones stay the caller's. */
export const evictedEntries = (held: readonly Entries[], kept: Kept): readonly Entries[] => {
  const size = held[0].keys.shape[2]!
  const offsets: number[] = []
  let total = 0
  for (const { keys } of held)
    for (let row = 0; row < keys.shape[0]; row++) {
      offsets.push(total)
      total += keys.shape[1]!
    }
  const positions = held.flatMap(positionsOf)
  const flat = (part: 'keys' | 'values'): tf.Tensor => {
    const each = held.map(entries => tf.reshape(entries[part], [-1, size])) // (rows · entries, size)
    return each.length === 1 ? each[0] : tf.concat(each, 0)
  }
  return tf.tidy(() => {
    const [keys, values] = [flat('keys'), flat('values')]
    return runsOf(kept).map(([from, to]) => {
      const rows = kept.slice(from, to)
      const places = tf.tensor1d(Int32Array.from(rows.flatMap((list, i) => Array.from(list, place => offsets[from + i] + place))), 'int32')
      const gathered = (x: tf.Tensor): tf.Tensor => tf.keep(tf.reshape(tf.gather(x, places), [rows.length, rows[0].length, size]))
      return {
        keys: gathered(keys),
        values: gathered(values),
        ...packedPositions(rows.map((list, i) => Int32Array.from(list, place => positions[from + i][place]))),
      }
    })
  })
}

/** Cosines and sines of (new − old) · frequency, (rows, entries, size / 2) each. */
const turnsBetween = (before: readonly Int32Array[], first: number, frequencies: Float32Array): readonly [tf.Tensor, tf.Tensor] => {
  const entries = before[0].length
  const half = frequencies.length
  const angles = before.flatMap(list => Array.from(list, (position, i) => first + i - position))
  const of = (wave: (angle: number) => number): tf.Tensor =>
    tf.tensor(
      Float32Array.from({ length: angles.length * half }, (_, at) => wave(angles[Math.floor(at / half)] * frequencies[at % half])),
      [before.length, entries, half],
    )
  return [of(Math.cos), of(Math.sin)]
}

/** The same entries at the positions that end before `end`, their keys turned by what they moved; the given ones stay the caller's. */
export const withPositions = (held: Entries, end: number, frequencies: Float32Array | undefined): Entries => {
  const before = positionsOf(held)
  const first = end - before[0].length
  const positions = packedPositions(before.map(list => Int32Array.from(list, (_, i) => first + i)))
  const values = tf.keep(tf.clone(held.values))
  if (!frequencies) return { keys: tf.keep(tf.clone(held.keys)), values, ...positions }
  const keys = tf.tidy(() => {
    const [cos, sin] = turnsBetween(before, first, frequencies)
    return tf.keep(turnPairs(held.keys, cos, sin))
  })
  return { keys, values, ...positions }
}
