import * as tf from '@tensorflow/tfjs-core'
import type { Range } from './bands.js'

/** x[…, from:to, …] along an axis; x itself where that is all of it. */
export const part = (x: tf.Tensor, axis: number, { from, to }: Range): tf.Tensor => {
  if (from === 0 && to === x.shape[axis]) return x
  const at = (value: number, otherwise: number): number[] => x.shape.map((_, i) => (i === axis ? value : otherwise))
  return tf.slice(x, at(from, 0), at(to - from, -1))
}
