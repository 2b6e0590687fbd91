import * as tf from '@tensorflow/tfjs-core'
import { spansOf } from './entries.js'
import type { Entries } from './layer-cache.js'

/** Rows `from` to `to` of a tensor; the tensor itself where those are all. */
const rowsOf = (x: tf.Tensor, from: number, count: number): tf.Tensor =>
  from === 0 && count === x.shape[0] ? x : tf.slice(x, [from, 0, 0], [count, -1, -1])

/** Counts of each row with those of some more entries behind. */
const withOnes = (counts: Float32Array, rows: number, tokens: number): Float32Array => {
  const held = counts.length / rows
  const all = new Float32Array(rows * (held + tokens)).fill(1)
  for (let row = 0; row < rows; row++) all.set(counts.subarray(row * held, (row + 1) * held), row * (held + tokens))
  return all
}

/** Puts tokens behind those of the same rows, (rows, tokens, size). */
type Join = (held: tf.Tensor, more: tf.Tensor) => tf.Tensor

export const joinInEngine: Join = (held, more) => tf.concat([held, more], 1)

/** Without a run of the engine, for few entries whose numbers are read next. */
export const joinOnHost: Join = (held, more) => {
  const [rows, before, size] = held.shape as [number, number, number]
  const tokens = more.shape[1]!
  const all = new Float32Array(rows * (before + tokens) * size)
  const [first, second] = [held.dataSync<'float32'>(), more.dataSync<'float32'>()]
  for (let row = 0; row < rows; row++) {
    const at = row * (before + tokens) * size
    all.set(first.subarray(row * before * size, (row + 1) * before * size), at)
    all.set(second.subarray(row * tokens * size, (row + 1) * tokens * size), at + before * size)
  }
  return tf.tensor3d(all, [rows, before + tokens, size])
}

/** Entries with those of some more positions behind; keys and values (rows, tokens, size). */
const appended = (entries: Entries, [newKeys, newValues]: readonly tf.Tensor[], next: number, join: Join): Entries => {
  const { keys, values, positions, counts } = entries
  const [rows, held] = keys.shape
  const tokens = newKeys.shape[1]!
  const grown = {
    keys: tf.keep(join(keys, newKeys)),
    values: tf.keep(join(values, newValues)),
    ...(counts && { counts: withOnes(counts, rows, tokens) }),
  }
  if (!positions) return grown
  const lists = positions.length === held ? 1 : rows
  const all = new Int32Array(lists * (held + tokens))
  for (let list = 0; list < lists; list++) {
    all.set(positions.subarray(list * held, (list + 1) * held), list * (held + tokens))
    for (let i = 0; i < tokens; i++) all[list * (held + tokens) + held + i] = next + i
  }
  return { ...grown, positions: all }
}

/** All rows with some more positions, keys and values (batch, heads, tokens, size); tensors are kept past a tidy. */
export const grown = (held: readonly Entries[], keys: tf.Tensor, values: tf.Tensor, next: number, join: Join): readonly Entries[] => {
  const [batch, heads, tokens, size] = keys.shape as [number, number, number, number]
  const [newKeys, newValues] = [keys, values].map(t => tf.reshape(t, [batch * heads, tokens, size])) // (rows, tokens, size)
  if (held.length === 0) return [{ keys: tf.keep(tf.clone(newKeys)), values: tf.keep(tf.clone(newValues)) }]
  return spansOf(held).map(([from, to], i) => {
    const more = [newKeys, newValues].map(t => rowsOf(t, from, to - from))
    return appended(held[i], more, next, join)
  })
}
