import * as tf from '@tensorflow/tfjs-core'
import { forward, loadModel, type Model } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { eachOutput, type Batch, type EvaluationOptions } from './each-output.js'
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

/** What two networks read alike. */
type Given = Pick<Batch, 'size' | 'shape' | 'input'>

/**
 * Runs a network and a reference, which is held whole, over batches and shows the outputs of both; whatever happens, no tensor is left.
 * Throws what `visit` throws, or the signal's reason.
 */
export const besideReference = async <G extends Given>(
  { model, reference }: { readonly model: Model; readonly reference: Model },
  batches: readonly G[],
  options: EvaluationOptions,
  visit: (output: tf.Tensor, expected: tf.Tensor, batch: G) => Promise<void>,
): Promise<void> => {
  const { weights, dispose } = await loadModel(reference, options.signal)
  const visited = batches.map((batch): Batch => ({
    ...batch,
    visit: async output => {
      const expected = tf.tidy(() => forward(reference, batch.input(), { weights }))
      try {
        await visit(output, expected, batch)
      } finally {
        expected.dispose()
      }
    },
  }))
  try {
    await eachOutput(model, visited, options)
  } finally {
    dispose()
  }
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
  const batches = batchWindows(windows, model).map(batch => ({
    ...{ batch, size: batch.windows.length, shape: [batch.rows, batch.positions] },
    input: () => inputOf(batch),
  }))
  await besideReference({ model, reference }, batches, options, (logits, expected, { batch }) => {
    checkVocabularies(logits.shape[2]!, expected.shape[2]!)
    return visit(logits, expected, batch)
  })
}
