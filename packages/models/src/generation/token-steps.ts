import * as tf from '@tensorflow/tfjs-core'
import { piecesOf, type Caches, type Env, type Pause } from '@tersor/core'
import type { Decoder } from './cut-decoder.js'
import { decoder } from './decoder.js'
import type { Dense } from '@tersor/tensor'
import type { LanguageModel } from '../networks/language-model.js'

/** Gives the logits after more tokens of one text, remembering those before. */
export interface TokenSteps {
  next(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array>
  dispose(): void
}

/** Steps over caches whose entries a recorded step may hold meanwhile. */
export interface CachedSteps extends TokenSteps {
  /** Gives the entries back to the caches. */
  release(): void
  /** Steps that go on in a copy of the caches, where they keep more than these do. */
  fork?(caches: Caches): CachedSteps
  /** What they go on with besides the caches, by name. */
  readonly kept?: Readonly<Record<string, Dense>>
}

/** Recording a step costs as much as some tokens. */
const WORTH_RECORDING = 8

const valuesOf = async (logits: tf.Tensor): Promise<Float32Array> => {
  try {
    return await logits.data<'float32'>()
  } finally {
    logits.dispose()
  }
}

/** The logits after the last of some ids; the head sees that position only. */
const plainStep = (caches: Caches, env: Env, ids: readonly number[]): Promise<Float32Array> =>
  valuesOf(tf.tidy(() => caches.forward(tf.tensor2d(Int32Array.from(ids), [1, ids.length], 'int32'), env, { last: true })))

/** Steps of a network over its caches, which stay the caller's; recorded after the first where `count` single tokens are worth it. */
export const cachedSteps = (model: LanguageModel, env: Env, caches: Caches, count: number): CachedSteps => {
  let recorded: Decoder | undefined
  let isTried = false
  const run = async (ids: readonly number[], pause: Pause): Promise<Float32Array> => {
    if (pause !== 'token') {
      recorded?.release()
      return plainStep(caches, env, ids)
    }
    if (!isTried && caches.seen > 0 && count >= WORTH_RECORDING) {
      isTried = true
      recorded = await decoder(model, env, caches, count)
    }
    return recorded ? recorded.step(ids[0]) : plainStep(caches, env, ids)
  }
  return {
    next: async (ids, signal) => {
      let logits!: Float32Array
      for (const { from, to, pause } of piecesOf(caches, ids.length)) {
        signal?.throwIfAborted()
        logits = await run(ids.slice(from, to), pause)
        if (!caches.isDue(pause)) continue
        recorded?.release()
        await caches.settle(pause, signal)
      }
      return logits
    },
    release: () => recorded?.release(),
    dispose: () => recorded?.dispose(),
  }
}
