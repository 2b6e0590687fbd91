import * as tf from '@tensorflow/tfjs-core'
import type { LayerCache } from '@tersor/core'
import { softCap } from '../networks/layers.js'

/** A cache of one layer whose tensors never change their shape. */
export interface FixedCache {
  /** (batch, heads, room, size); what lies behind the positions held is hidden by the mask. */
  readonly keys: tf.Tensor
  readonly values: tf.Tensor
}

/** The keys and values that one step adds: (batch, heads, 1, size). */
export interface Added {
  readonly keys: tf.Tensor
  readonly values: tf.Tensor
}

/**
 * Attention of one new position over a cache of fixed shape, which it neither copies nor changes: the scores of past and new positions
 * are joined instead. mask: (1, room), −∞ in effect where nothing is held. `onAdded` gets the new keys and
 * values, which are its to dispose.
 */
export const fixedLayerCache = ({ keys, values }: FixedCache, mask: tf.Tensor, onAdded: (added: Added) => void): LayerCache => {
  const asMatrices = (t: tf.Tensor): tf.Tensor3D => tf.reshape(t, [-1, t.shape[2]!, t.shape[3]!]) as tf.Tensor3D
  return {
    length: 0,
    append: () => {
      throw new Error('A cache of fixed shape attends itself.')
    },
    attend: (queries, newKeys, newValues, cap = null) => {
      onAdded({ keys: tf.keep(newKeys), values: tf.keep(newValues) }) // past the stage's tidy
      const q = queries as tf.Tensor3D // (batch · heads, queries, size)
      const capped = (scores: tf.Tensor): tf.Tensor => (cap === null ? scores : softCap(scores, cap))
      const past = tf.add(capped(tf.matMul(q, asMatrices(keys), false, true)), mask) // (batch · heads, queries, room)
      const own = capped(tf.matMul(q, asMatrices(newKeys), false, true)) // (batch · heads, queries, 1)
      const shares = tf.softmax(tf.concat([past, own], -1), -1) as tf.Tensor3D
      const [held, added] = tf.split(shares, [past.shape[2]!, 1], -1) as [tf.Tensor3D, tf.Tensor3D]
      return tf.add(tf.matMul(held, asMatrices(values)), tf.mul(added, asMatrices(newValues)))
    },
  }
}
