import * as tf from '@tensorflow/tfjs-core'
import type { Model } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import type { Window } from './windows.js'

/** Windows of similar length that run together; shorter ones are filled up behind, where a causal network does not look. */
export interface WindowBatch {
  readonly windows: readonly Window[]
  /** As many as windows, or more, which stay empty. */
  readonly rows: number
  /** Positions whose next token is predicted: all but the last of the longest window, or more. */
  readonly positions: number
}

/** Tokens that run at once: enough to keep the engine busy, few enough that the logits of large vocabularies fit. */
const TOKENS_PER_BATCH = 2048
/** A shape of its own, for which the engine compiles a graph, pays for more than so many batches; fewer are filled up to the shape before. */
const FEW = 4

/** A causal model of token ids; one that tells the size of its vocabulary is not run on ids beyond it. */
export interface TokenModel extends Model {
  readonly vocabularySize?: number
}

/** Throws BAD_DATA for ids that the model does not know. */
export const checkIds = (windows: readonly Window[], { vocabularySize = Infinity }: TokenModel): void => {
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
  const batches: WindowBatch[] = []
  let positions = sorted[0].length - 1
  for (let from = 0; from < sorted.length; from += batches.at(-1)!.windows.length) {
    const left = sorted.length - from
    if (left > FEW * rowsOf(positions)) while (2 * sorted[from].length <= positions) positions = Math.ceil(positions / 2)
    const rows = from < FEW * rowsOf(positions) ? Math.min(left, rowsOf(positions)) : rowsOf(positions)
    batches.push({ windows: sorted.slice(from, from + rows), rows, positions })
  }
  return batches
}

const rowsOf = (positions: number): number => Math.max(1, Math.floor(TOKENS_PER_BATCH / positions))

/** Something for each position of each row: (rows · positions). */
const eachPosition = <T>({ windows, rows, positions }: WindowBatch, of: (window: Window, position: number) => T): readonly T[] =>
  Array.from({ length: rows * positions }, (_, at) => of(windows[Math.floor(at / positions)] ?? [], at % positions))

/** Whether a position predicts a token of its window. */
export const predicts = (batch: WindowBatch): readonly boolean[] => eachPosition(batch, (window, position) => position + 1 < window.length)

/** The ids whose next tokens are predicted, (rows, positions); 0 behind the end of a window. */
export const inputOf = (batch: WindowBatch): tf.Tensor => {
  const ids = Int32Array.from(eachPosition(batch, (window, position) => window[position] ?? 0))
  return tf.tensor2d(ids, [batch.rows, batch.positions], 'int32')
}

/** The tokens that come next, (rows · positions, 1). */
export const targetsOf = (batch: WindowBatch): tf.Tensor => {
  const ids = Int32Array.from(eachPosition(batch, (window, position) => window[position + 1] ?? 0))
  return tf.tensor2d(ids, [batch.rows * batch.positions, 1], 'int32')
}
