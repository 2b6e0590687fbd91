import * as tf from '@tensorflow/tfjs-core'
import { forward, loadModel } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { eachOutput, type EvaluationOptions } from './each-output.js'
import { checkFinite, logSumExp } from './log-softmax.js'
import { batchWindows, inputOf, predicts, type TokenModel } from './window-batches.js'
import type { Window } from './windows.js'

const checkVocabularies = (got: number, expected: number): void => {
  if (got === expected) return
  throw new CompressionError(
    'BAD_DATA',
    `The model predicts ${got} tokens, the reference ${expected}.`,
    'Compare models that share a vocabulary, such as a model and its compressed self.',
    { got, expected },
  )
}

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
  const batched = batchWindows(windows, model)
  const { weights, dispose } = await loadModel(reference, options.signal)
  const batches = batched.map(batch => ({
    size: batch.windows.length,
    shape: [batch.rows, batch.positions],
    input: () => inputOf(batch),
    visit: async (logits: tf.Tensor) => {
      const expected = tf.tidy(() => forward(reference, inputOf(batch), { weights }))
      try {
        const vocabulary = expected.shape[2]!
        checkVocabularies(logits.shape[2]!, vocabulary)
        const [q, p] = await Promise.all([logits.data<'float32'>(), expected.data<'float32'>()])
        predicts(batch).forEach((counts, row) => {
          if (!counts) return
          sum += divergence(q, p, row * vocabulary, vocabulary)
          tokens++
        })
      } finally {
        expected.dispose()
      }
    },
  }))
  try {
    await eachOutput(model, batches, options)
  } finally {
    dispose()
  }
  checkFinite(sum)
  return { kl: sum / tokens, tokens }
}
