import * as tf from '@tensorflow/tfjs-core'
import { HIDDEN_FROM_SIGHT, positionsOf, type Entries } from '@tersor/core'
import type { Replay } from '@tersor/kernels/replay'

/** Entries of some rows in tensors with room behind them; which entries there are, the host knows. */
export interface RoomyRows {
  readonly keys: tf.Tensor
  readonly values: tf.Tensor
  readonly room: number
  readonly count: number
  /** The mask of a token at a position, (1, room) or (rows, 1, room). */
  mask(next: number): tf.Tensor
  /** Whether such entries fit into these tensors, with room for some more. */
  fits(entries: Entries, more: number): boolean
  fill(entries: Entries): void
  add(keys: tf.Tensor, values: tf.Tensor, next: number): void
  /** Copies of what is held. */
  entries(): Entries
  dispose(): void
}

type WriteRows = Replay['writeRows']

/** Lists of positions: one for all rows where they agree. */
const listsOf = (entries: Entries): readonly Int32Array[] => {
  const lists = positionsOf(entries)
  return entries.positions === undefined || entries.positions.length === entries.keys.shape[1] ? lists.slice(0, 1) : lists
}

/** Empty tensors with room for some entries of the rows of others, whose mask is made for as many lists of positions. */
export const roomyRows = (like: Entries, room: number, window: number | null, writeRows: WriteRows): RoomyRows => {
  const [rows, , size] = like.keys.shape as [number, number, number]
  const lists = listsOf(like).length
  const empty = (): tf.Tensor => tf.tensor(new Float32Array(rows * room * size), [rows, room, size])
  const [keys, values] = [empty(), empty()]
  const positions = Array.from({ length: lists }, () => new Int32Array(room))
  const plain = new Float32Array(lists * room).fill(HIDDEN_FROM_SIGHT)
  let count = 0
  /** Whether entry i is at position i: then positions need not be told. */
  let counts = true
  const set = (list: number, place: number, position: number): void => {
    positions[list][place] = position
    plain[list * room + place] = 0
    if (position !== place) counts = false
  }
  const windowed = (next: number): Float32Array =>
    window === null
      ? plain
      : plain.map((value, at) => (positions[Math.floor(at / room)][at % room] > next - window ? value : HIDDEN_FROM_SIGHT))
  return {
    ...{ keys, values, room },
    get count() {
      return count
    },
    mask: next => (lists === 1 ? tf.tensor(windowed(next), [1, room]) : tf.tensor(windowed(next), [rows, 1, room])),
    fits: (entries, more) => entries.keys.shape[0] === rows && listsOf(entries).length === lists && entries.keys.shape[1]! + more <= room,
    fill: entries => {
      writeRows(keys, entries.keys, 0)
      writeRows(values, entries.values, 0)
      plain.fill(HIDDEN_FROM_SIGHT)
      counts = true
      listsOf(entries).forEach((list, row) => list.forEach((position, place) => set(row, place, position)))
      count = entries.keys.shape[1]!
    },
    add: (newKeys, newValues, next) => {
      writeRows(keys, newKeys, count)
      writeRows(values, newValues, count)
      for (let list = 0; list < lists; list++) set(list, count, next)
      count++
    },
    entries: () => {
      const [k, v] = [keys, values].map(t => tf.slice(t, [0, 0, 0], [-1, count, -1]))
      if (counts) return { keys: k, values: v }
      return { keys: k, values: v, positions: Int32Array.from(positions.flatMap(list => [...list.subarray(0, count)])) }
    },
    dispose: () => tf.dispose([keys, values]),
  }
}
