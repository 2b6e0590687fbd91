import * as tf from '@tensorflow/tfjs-core'
import type { Model } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import type { Window } from './windows.js'

/** Windows of similar length that run together; shorter ones are filled up behind, where a causal network does not look. */
export interface WindowBatch {
  readonly windows: readonly Window[]
  /** Positions whose next token is predicted: all but the last of the longest window, or a few more. */
  readonly positions: number
}

/** Tokens that run at once: enough to keep the engine busy, few enough that the logits of large vocabularies fit. */
const TOKENS_PER_BATCH = 2048
/** Positions are a multiple of this, so that batches share few shapes. */
const STEP = 32

/** A causal model of token ids; one that tells the size of its vocabulary is not run on ids beyond it. */
export interface TokenModel extends Model {
  readonly vocabularySize?: number
}

const checkIds = (windows: readonly Window[], { vocabularySize = Infinity }: TokenModel): void => {
  for (const window of windows) {
    const stranger = window.find(id => !Number.isInteger(id) || id < 0 || id >= vocabularySize)
    if (stranger === undefined) continue
    throw new CompressionError(
      'BAD_DATA',
      `The text has token ${stranger}, but the model knows tokens 0 to ${vocabularySize - 1}.`,
      "Encode it with the model's own tokenizer.",
      { token: stranger, vocabularySize },
    )
  }
}

/**
 * Groups windows, the longest first; windows of one token predict nothing and are left out.
 * Throws BAD_DATA where none is left, and for ids that the model does not know.
 */
export const batchWindows = (windows: readonly Window[], model: TokenModel): readonly WindowBatch[] => {
  checkIds(windows, model)
  const sorted = windows.filter(window => window.length > 1).sort((a, b) => b.length - a.length)
  if (sorted.length === 0) {
    throw new CompressionError('BAD_DATA', 'No window has two tokens, so there is nothing to predict.', 'Pass a longer text.')
  }
  const most = sorted[0].length - 1
  const batches: WindowBatch[] = []
  for (let from = 0; from < sorted.length; from += batches.at(-1)!.windows.length) {
    const positions = Math.min(most, STEP * Math.ceil((sorted[from].length - 1) / STEP))
    batches.push({ windows: sorted.slice(from, from + Math.max(1, Math.floor(TOKENS_PER_BATCH / positions))), positions })
  }
  return batches
}

/** Whether a row of the batch predicts a token of its window, row by row: (windows · positions). */
export const predicts = ({ windows, positions }: WindowBatch): readonly boolean[] =>
  windows.flatMap(window => Array.from({ length: positions }, (_, position) => position + 1 < window.length))

/** Ids from `start` on for each position, 0 behind the end of a window. */
const idsFrom = ({ windows, positions }: WindowBatch, start: number): Int32Array =>
  Int32Array.from(windows.flatMap(window => Array.from({ length: positions }, (_, position) => window[start + position] ?? 0)))

/** The ids whose next tokens are predicted, (windows, positions). */
export const inputOf = (batch: WindowBatch): tf.Tensor => tf.tensor2d(idsFrom(batch, 0), [batch.windows.length, batch.positions], 'int32')

/** The tokens that come next, (windows · positions, 1). */
export const targetsOf = (batch: WindowBatch): tf.Tensor =>
  tf.tensor2d(idsFrom(batch, 1), [batch.windows.length * batch.positions, 1], 'int32')
