import * as tf from '@tensorflow/tfjs-core'
import { eachOutput, type EvaluationOptions } from './each-output.js'
import { checkFinite } from './log-softmax.js'
import { batchWindows, inputOf, type TokenModel, type WindowBatch } from './window-batches.js'
import type { Window } from './windows.js'

/** log p of the token that comes next, for each position; logits: (windows, positions, vocabulary). */
const chosenLogProbabilities = (logits: tf.Tensor, { windows, positions }: WindowBatch): tf.Tensor => {
  const vocabulary = logits.shape[2]!
  const next = windows.flatMap(window => window.slice(1, positions + 1))
  const indices = Int32Array.from(next, (id, row) => row * vocabulary + id)
  return tf.gather(tf.reshape(tf.logSoftmax(logits), [-1]), tf.tensor1d(indices, 'int32')) // (windows · positions)
}

/**
 * How surprised a language model is by each token of a text: exp(−mean log p(token | tokens before it in its window)),
 * over every token of a window after its first. `tokens` is how many those are.
 * Throws BAD_DATA where no window has two tokens and for ids of another vocabulary, NOT_FINITE for logits that are no numbers, or the signal's reason.
 */
export const perplexity = async (
  model: TokenModel,
  windows: readonly Window[],
  options: EvaluationOptions = {},
): Promise<{ readonly perplexity: number; readonly tokens: number }> => {
  let loss = 0
  let tokens = 0
  const batches = batchWindows(windows, model).map(batch => ({
    size: batch.windows.length,
    input: () => inputOf(batch),
    reduce: (logits: tf.Tensor) => chosenLogProbabilities(logits, batch),
    visit: async (chosen: tf.Tensor) => {
      for (const value of await chosen.data<'float32'>()) loss -= value
      tokens += chosen.size
    },
  }))
  await eachOutput(model, batches, options)
  checkFinite(loss)
  return { perplexity: Math.exp(loss / tokens), tokens }
}
