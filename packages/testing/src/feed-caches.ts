import * as tf from '@tensorflow/tfjs-core'
import { piecesOf, type Caches, type Env } from '@tersor/core'

/**
 * Feeds tokens (rows, count), which stay the caller's, in pieces no longer than the plan wants, asking it behind each; logits (rows, tokens, vocabulary)
 * piece by piece as numbers.
 */
export const feedCaches = async (caches: Caches, ids: tf.Tensor, env: Env, signal?: AbortSignal): Promise<number[]> => {
  const logits: number[] = []
  for (const { from, to, pause } of piecesOf(caches, ids.shape[1]!)) {
    const out = tf.tidy(() => caches.forward(tf.slice(ids, [0, from], [-1, to - from]), env))
    logits.push(...(await out.data<'float32'>()))
    out.dispose()
    await caches.settle(pause, signal)
  }
  return logits
}
