import type * as tf from '@tensorflow/tfjs-core'
import { eachOutput, type EvaluationOptions } from './each-output.js'
import { cachedPerplexity, type CachedPerplexity, type CacheProtocol } from './cached-perplexity.js'
import { checkFinite, chosenLogProbabilities } from './log-softmax.js'
import { batchWindows, inputOf, predicts, targetsOf, type TokenModel } from './window-batches.js'
import type { Window } from './windows.js'

/**
 * How surprised a causal language model is by each token of a text: exp(−mean log p(token | tokens before it in its window)),
 * over every token of a window after its first. `tokens` is how many those are.
 * With a plan for the cache, only tokens behind the prompt of a window are scored, read step by step; see `CacheProtocol`.
 * Throws BAD_DATA where no window has two tokens and for ids of another vocabulary, NOT_FINITE for logits that are no numbers, or the signal's reason.
 */
export function perplexity(
  model: TokenModel,
  windows: readonly Window[],
  options: EvaluationOptions & CacheProtocol,
): Promise<CachedPerplexity>
export function perplexity(
  model: TokenModel,
  windows: readonly Window[],
  options?: EvaluationOptions & Partial<CacheProtocol>,
): Promise<{ readonly perplexity: number; readonly tokens: number }>
export async function perplexity(
  model: TokenModel,
  windows: readonly Window[],
  options: EvaluationOptions & Partial<CacheProtocol> = {},
): Promise<{ readonly perplexity: number; readonly tokens: number }> {
  if (options.cache) return cachedPerplexity(model, windows, { ...options, cache: options.cache }, options)
  let loss = 0
  let tokens = 0
  const batches = batchWindows(windows, model).map(batch => ({
    size: batch.windows.length,
    shape: [batch.rows, batch.positions],
    input: () => inputOf(batch),
    targets: () => targetsOf(batch),
    visit: async (chosen: tf.Tensor) => {
      const values = await chosen.data<'float32'>()
      predicts(batch).forEach((counts, row) => {
        if (!counts) return
        loss -= values[row]
        tokens++
      })
    },
  }))
  await eachOutput(model, batches, { ...options, reduce: (logits, targets) => chosenLogProbabilities(logits, targets!) })
  checkFinite(loss)
  return { perplexity: Math.exp(loss / tokens), tokens }
}
