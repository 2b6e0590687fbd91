import * as tf from '@tensorflow/tfjs-core'
import { forward, loadModel } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { eachOutput, type EvaluationOptions } from './each-output.js'
import { batchWindows, inputOf, type TokenModel, type WindowBatch } from './window-batches.js'
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

/**
 * Reads a text with a model and with a reference, which is held whole, and shows the logits of both, (rows, positions, vocabulary), batch by batch.
 * Throws BAD_DATA for other vocabularies, where no window has two tokens and for ids of another vocabulary, or the signal's reason.
 */
export const eachPair = async (
  model: TokenModel,
  reference: TokenModel,
  windows: readonly Window[],
  options: EvaluationOptions,
  visit: (logits: tf.Tensor, expected: tf.Tensor, batch: WindowBatch) => Promise<void>,
): Promise<void> => {
  const batched = batchWindows(windows, model)
  const { weights, dispose } = await loadModel(reference, options.signal)
  const batches = batched.map(batch => ({
    size: batch.windows.length,
    shape: [batch.rows, batch.positions],
    input: () => inputOf(batch),
    visit: async (logits: tf.Tensor) => {
      const expected = tf.tidy(() => forward(reference, inputOf(batch), { weights }))
      try {
        checkVocabularies(logits.shape[2]!, expected.shape[2]!)
        await visit(logits, expected, batch)
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
}
