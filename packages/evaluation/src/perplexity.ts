import type { Tensor } from '@tensorflow/tfjs-core'
import { eachOutput, type EvaluationOptions } from './each-output.js'
import { checkFinite, logSumExp } from './log-softmax.js'
import { batchWindows, inputOf, type TokenModel } from './window-batches.js'
import type { Window } from './windows.js'

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
    visit: async (logits: Tensor) => {
      const vocabulary = logits.shape[2]!
      const values = await logits.data<'float32'>()
      batch.windows.forEach((window, row) => {
        for (let i = 0; i < batch.positions; i++) {
          const from = (row * batch.positions + i) * vocabulary
          loss += logSumExp(values, from, vocabulary) - values[from + window[i + 1]]
        }
      })
      tokens += batch.windows.length * batch.positions
    },
  }))
  await eachOutput(model, batches, options)
  checkFinite(loss)
  return { perplexity: Math.exp(loss / tokens), tokens }
}
