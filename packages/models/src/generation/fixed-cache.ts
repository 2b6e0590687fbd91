import * as tf from '@tensorflow/tfjs-core'
import type { LayerCache } from '@tersor/core'
import { softCap } from '../networks/layers.js'

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
      const capped = (scores: tf.Tensor): tf.Tensor => (cap === null ? scores : softCap(scores, cap))
      let from = 0
      const each = parts.map(part => {
        const rows = part.keys.shape[0]
        const own = (x: tf.Tensor): tf.Tensor3D => (parts.length === 1 ? x : tf.slice(x, [from, 0, 0], [rows, -1, -1])) as tf.Tensor3D
        const [q, k, v] = [scaled, keys, values].map(own)
        from += rows
        const past = tf.add(capped(tf.matMul(q, part.keys as tf.Tensor3D, false, true)), part.mask) // (rows, queries, room)
        const self = capped(tf.matMul(q, k, false, true)) // (rows, queries, 1)
        const shares = tf.softmax(tf.concat([past, self], -1), -1) as tf.Tensor3D
        const [held, added] = tf.split(shares, [past.shape[2]!, 1], -1) as [tf.Tensor3D, tf.Tensor3D]
        return tf.add(tf.matMul(held, part.values as tf.Tensor3D), tf.mul(added, v))
      })
      return each.length === 1 ? each[0] : tf.concat(each, 0)
    },
  }
}
