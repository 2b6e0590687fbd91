import * as tf from '@tensorflow/tfjs-core'
import { spansOf, type LayerCache } from '@tersor/core'
import { softCap } from '@tersor/kernels/soft-cap'
import { part } from '../networks/part.js'

/** Rows of one layer in tensors that never change their shape. */
export interface FixedRows {
  /** (rows, room, size); what lies behind the entries held is hidden by the mask. */
  readonly keys: tf.Tensor
  readonly values: tf.Tensor
  /** (1, room), or (rows, 1, room): −∞ in effect where nothing is held, or nothing that the position may see. */
  readonly mask: tf.Tensor
}

/** What one step adds to a layer: keys and values (rows, 1, size), and its queries (rows, groups, 1, size) where they are watched. */
export interface Added {
  readonly keys: tf.Tensor
  readonly values: tf.Tensor
  readonly queries?: tf.Tensor
}

/**
 * Attention of one new position over rows of fixed shape, which it neither copies nor changes: the scores of past and new positions
 * are joined instead. `onAdded` gets what the step adds, which is its to dispose.
 */
export const fixedLayerCache = (parts: readonly FixedRows[], watching: boolean, onAdded: (added: Added) => void): LayerCache => {
  let queries: tf.Tensor | undefined
  return {
    next: 0,
    append: () => {
      throw new Error('A cache of fixed shape attends itself.')
    },
    ...(watching ? { observe: q => void (queries = tf.keep(tf.clone(q))) } : {}),
    attend: (scaled, newKeys, newValues, cap = null) => {
      const [keys, values] = [newKeys, newValues].map(t => tf.reshape(t, [-1, t.shape[2]!, t.shape[3]!])) // (rows, 1, size)
      onAdded({ keys: tf.keep(keys), values: tf.keep(values), ...(queries && { queries }) }) // past the stage's tidy
      const each = spansOf(parts).map(([from, to], i) => {
        const held = parts[i]
        const [q, k, v] = [scaled, keys, values].map(x => part(x, 0, { from, to }) as tf.Tensor3D)
        const past = tf.add(softCap(tf.matMul(q, held.keys as tf.Tensor3D, false, true), cap), held.mask) // (rows, queries, room)
        const self = softCap(tf.matMul(q, k, false, true), cap) // (rows, queries, 1)
        const shares = tf.softmax(tf.concat([past, self], -1), -1) as tf.Tensor3D
        const [before, own] = tf.split(shares, [past.shape[2]!, 1], -1) as [tf.Tensor3D, tf.Tensor3D]
        return tf.add(tf.matMul(before, held.values as tf.Tensor3D), tf.mul(own, v))
      })
      return each.length === 1 ? each[0] : tf.concat(each, 0)
    },
  }
}
