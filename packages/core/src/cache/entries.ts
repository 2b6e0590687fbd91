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

/** How many entries each was merged from, row by row; undefined where none was merged. */
export const countsOfRows = ({ keys, counts }: Entries): readonly Float32Array[] | undefined => {
  const [rows, entries] = keys.shape as [number, number, number]
  return counts && Array.from({ length: rows }, (_, row) => counts.subarray(row * entries, (row + 1) * entries))
}

/** Runs of neighbouring rows that keep equally many: where they begin and end. */
const runsOf = (kept: readonly { readonly length: number }[]): readonly (readonly [from: number, to: number])[] => {
  const starts = kept.flatMap((list, row) => (row === 0 || list.length !== kept[row - 1].length ? [row] : []))
  return starts.map((from, i) => [from, starts[i + 1] ?? kept.length] as const)
}

/** What a row takes of a heap of entries: where they lie, their positions, and how many each was merged from. */
export interface Picked {
  readonly places: Int32Array
  readonly positions: Int32Array
  readonly counts?: Float32Array | undefined
}

/** Counts as entries hold them: none where all are 1. */
const packedCounts = (rows: readonly Picked[]): Pick<Entries, 'counts'> =>
  rows.some(({ counts }) => counts?.some(count => count !== 1))
    ? { counts: flat(rows.map(({ counts, places }) => counts ?? new Float32Array(places.length).fill(1))) }
    : {}

/** Entries that rows take of a heap, keys and values (all, size), in tensors of their own; rows that take different numbers part. */
export const gatheredEntries = (keys: tf.Tensor, values: tf.Tensor, rows: readonly Picked[]): readonly Entries[] => {
  const size = keys.shape[1]!
  return runsOf(rows.map(({ places }) => places)).map(([from, to]) => {
    const run = rows.slice(from, to)
    const places = tf.tensor1d(flat(run.map(row => row.places)), 'int32')
    const gathered = (x: tf.Tensor): tf.Tensor => tf.keep(tf.reshape(tf.gather(x, places), [run.length, run[0].places.length, size]))
    return {
      keys: gathered(keys),
      values: gathered(values),
      ...packedPositions(run.map(({ positions }) => positions)),
      ...packedCounts(run),
    }
  })
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
  const counts = held.flatMap(
    (each): readonly (Float32Array | undefined)[] => countsOfRows(each) ?? new Array<undefined>(each.keys.shape[0]).fill(undefined),
  )
  const heap = (part: 'keys' | 'values'): tf.Tensor => {
    const each = held.map(entries => tf.reshape(entries[part], [-1, size])) // (rows · entries, size)
    return each.length === 1 ? each[0] : tf.concat(each, 0)
  }
  const rows = kept.map((list, row): Picked => {
    const own = counts[row]
    return {
      places: list.map(place => offsets[row] + place),
      positions: list.map(place => positions[row][place]),
      counts: own && Float32Array.from(list, place => own[place]),
    }
  })
  let entries: readonly Entries[] = []
  tf.tidy(() => void (entries = gatheredEntries(heap('keys'), heap('values'), rows)))
  return entries
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
  const rest = { values, ...positions, ...(held.counts && { counts: held.counts }) }
  if (!frequencies) return { keys: tf.keep(tf.clone(held.keys)), ...rest }
  const keys = tf.tidy(() => {
    const [cos, sin] = turnsBetween(before, first, frequencies)
    return tf.keep(turnPairs(held.keys, cos, sin))
  })
  return { keys, ...rest }
}
