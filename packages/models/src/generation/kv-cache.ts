import * as tf from '@tensorflow/tfjs-core'
import type { LayerCache, Model } from '@tersor/core'

/** The plain cache of one layer: it keeps every position until `dispose`. */
export interface KvCache extends LayerCache {
  /** Keys and values, (batch, heads, positions, size); undefined while there are none. */
  readonly held: { readonly keys: tf.Tensor; readonly values: tf.Tensor } | undefined
  dispose(): void
}

/** Keys and values of one layer, grown by concatenation. */
export const kvCache = (): KvCache => {
  let held: { readonly keys: tf.Tensor; readonly values: tf.Tensor } | undefined
  const dispose = (): void => {
    held?.keys.dispose()
    held?.values.dispose()
    held = undefined
  }
  return {
    append: (keys, values) => {
      const grown = {
        keys: tf.keep(held ? tf.concat([held.keys, keys], 2) : tf.clone(keys)), // (batch, heads, positions, size)
        values: tf.keep(held ? tf.concat([held.values, values], 2) : tf.clone(values)),
      }
      dispose()
      held = grown
      return grown
    },
    get held() {
      return held
    },
    get length() {
      return held ? held.keys.shape[2]! : 0
    },
    dispose,
  }
}

/** One cache a stage; stages without attention leave theirs empty. */
export const kvCaches = (model: Model): readonly KvCache[] => model.stages.map(kvCache)
