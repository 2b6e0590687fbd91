import * as tf from '@tensorflow/tfjs-core'
import type { Env } from '@tersor/core'
import { decoder, type Decoder } from './decoder.js'
import { kvCaches, type KvCache } from './kv-cache.js'
import type { LanguageModel } from '../networks/language-model.js'

/** Gives the logits after more tokens of one text, remembering those before. */
export interface TokenSteps {
  next(ids: readonly number[]): Promise<Float32Array>
  dispose(): void
}

/** Recording a step costs as much as some tokens. */
const WORTH_RECORDING = 8

/** Logits after the last of the new ids. The head sees that position only. */
const step = async (model: LanguageModel, ids: readonly number[], env: Env, caches: readonly KvCache[]): Promise<Float32Array> => {
  const logits = tf.tidy(() => {
    const input: tf.Tensor = tf.tensor2d(Int32Array.from(ids), [1, ids.length], 'int32')
    const past = Math.max(...caches.map(cache => cache.length))
    return model.stages.reduce((x, stage, i) => {
      const seen = i === model.stages.length - 1 && ids.length > 1 ? tf.slice(x, [0, ids.length - 1, 0], [1, 1, x.shape[2]!]) : x
      return stage.run(seen, { ...env, past, cache: caches[i] })
    }, input)
  })
  try {
    return await logits.data<'float32'>()
  } finally {
    logits.dispose()
  }
}

/** Steps of a network over its caches; recorded after the first where `count` tokens are worth it. */
export const networkSteps = (model: LanguageModel, env: Env, count: number): TokenSteps => {
  const caches = kvCaches(model)
  let replayed: Decoder | undefined
  let taken = 0
  return {
    next: async ids => {
      const past = Math.max(...caches.map(cache => cache.length))
      if (taken++ === 1 && count >= WORTH_RECORDING) replayed = await decoder(model, env, caches, past + count)
      return replayed ? replayed.step(ids[0]) : step(model, ids, env, caches)
    },
    dispose: () => {
      replayed?.dispose()
      caches.forEach(cache => cache.dispose())
    },
  }
}
