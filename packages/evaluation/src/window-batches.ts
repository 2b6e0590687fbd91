import * as tf from '@tensorflow/tfjs-core'
import type { Model } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import type { Window } from './windows.js'

/** Windows of one length that run together. */
export interface WindowBatch {
  readonly windows: readonly Window[]
  /** Positions whose next token is predicted: all but the last of each window. */
  readonly positions: number
}

/** Tokens that run at once: enough to keep the engine busy, few enough that the logits of large vocabularies fit. */
const TOKENS_PER_BATCH = 2048

/** A model of token ids; one that tells the size of its vocabulary is not run on ids beyond it. */
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
 * Groups windows by length; windows of one token predict nothing and are left out.
 * Throws BAD_DATA where none is left, and for ids that the model does not know.
 */
export const batchWindows = (windows: readonly Window[], model: TokenModel): readonly WindowBatch[] => {
  checkIds(windows, model)
  const byLength = new Map<number, Window[]>()
  for (const window of windows) if (window.length > 1) byLength.set(window.length, [...(byLength.get(window.length) ?? []), window])
  if (byLength.size === 0) {
    throw new CompressionError('BAD_DATA', 'No window has two tokens, so there is nothing to predict.', 'Pass a longer text.')
  }
  return [...byLength].flatMap(([length, alike]) => {
    const rows = Math.max(1, Math.floor(TOKENS_PER_BATCH / length))
    return Array.from({ length: Math.ceil(alike.length / rows) }, (_, i) => ({
      windows: alike.slice(i * rows, (i + 1) * rows),
      positions: length - 1,
    }))
  })
}

/** The ids whose next tokens are predicted, (windows, positions). */
export const inputOf = ({ windows, positions }: WindowBatch): tf.Tensor =>
  tf.tensor2d(Int32Array.from(windows.flatMap(window => window.slice(0, positions))), [windows.length, positions], 'int32')
