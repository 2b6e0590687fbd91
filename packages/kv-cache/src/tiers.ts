import type { Kept } from '@tersor/core'
import * as tf from '@tensorflow/tfjs-core'
import { ascending, ranked } from './scored.js'

/** The places of the `count` best entries of each row and of the others, ascending; scores: (rows · entries). */
export const splitByScore = (scores: Float32Array, rows: number, count: number): { readonly best: Kept; readonly others: Kept } => {
  const width = scores.length / rows
  const order = Array.from({ length: rows }, (_, row) => ranked(scores.subarray(row * width, (row + 1) * width)))
  return { best: order.map(places => ascending(places.subarray(0, count))), others: order.map(places => ascending(places.subarray(count))) }
}

/** Entries of each row, equally many; x: (rows, entries, size). */
export const gatheredRows = (x: tf.Tensor3D, places: Kept): tf.Tensor3D =>
  tf.tidy(() => {
    const [rows, entries, size] = x.shape
    const flat = tf.reshape(x, [rows * entries, size])
    const at = Int32Array.from(places.flatMap((list, row) => Array.from(list, place => row * entries + place)))
    return tf.reshape(tf.gather(flat, tf.tensor1d(at, 'int32')), [rows, places[0].length, size])
  })
