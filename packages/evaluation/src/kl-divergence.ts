import type { EvaluationOptions } from './each-output.js'
import { eachPair } from './each-pair.js'
import { checkFinite, logSumExp } from './log-softmax.js'
import { predicts, type TokenModel } from './window-batches.js'
import type { Window } from './windows.js'

/** Σ p · (log p − log q) of one row, p of the reference and q of the model. */
const divergence = (model: Float32Array, reference: Float32Array, from: number, size: number): number => {
  const p = logSumExp(reference, from, size)
  const q = logSumExp(model, from, size)
  let sum = 0
  for (let i = from; i < from + size; i++) {
    const logP = reference[i] - p
    sum += Math.exp(logP) * (logP - (model[i] - q))
  }
  return sum
}

/**
 * How far a model's predictions are from a reference's: the mean over positions of KL(reference ‖ model), in nats.
 * The reference is held whole; throws BAD_DATA for other vocabularies and where no window has two tokens and for ids of another vocabulary, NOT_FINITE for logits that are no numbers, or the signal's reason.
 */
export const klDivergence = async (
  model: TokenModel,
  reference: TokenModel,
  windows: readonly Window[],
  options: EvaluationOptions = {},
): Promise<{ readonly kl: number; readonly tokens: number }> => {
  let sum = 0
  let tokens = 0
  await eachPair(model, reference, windows, options, async (logits, expected, batch) => {
    const vocabulary = expected.shape[2]!
    const [q, p] = await Promise.all([logits.data<'float32'>(), expected.data<'float32'>()])
    predicts(batch).forEach((counts, row) => {
      if (!counts) return
      sum += divergence(q, p, row * vocabulary, vocabulary)
      tokens++
    })
  })
  checkFinite(sum)
  return { kl: sum / tokens, tokens }
}
