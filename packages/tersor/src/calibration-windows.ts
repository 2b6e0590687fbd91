import * as tf from '@tensorflow/tfjs-core'
import { windowsOf, type Window } from '@tersor/evaluation/windows'
import { CompressionError } from '@tersor/tensor'
import { pickSpread } from './inputs/pick-samples.js'
import type { Text } from './texts/read-texts.js'
import { encoderOf, windowLength, type TextModel } from './texts/text-model.js'

/** Enough for the methods of this repository on layers of up to 8,192 columns. */
const MOST_TOKENS = 32_768
/** Windows are no longer than this, however long the model's context. */
const LONGEST_WINDOW = 2048
/** Fewer tokens than this say nothing about a model. */
const FEWEST_TOKENS = 32
/** What a batch takes grows with its tokens: a layer of 5,632 columns makes 23 MB of each of its tensors from so many. Products of fewer rows are slower. */
const TOKENS_PER_BATCH = 1024
const MOST_ROWS = 8

/** How much is learned from. */
export interface SampleFlags {
  /** Windows of text, images or batches of a graph, at most; spread evenly over what there is. */
  readonly samples?: number
  /** Tokens of a window; as many as fit into the context, up to 2,048, where absent. */
  readonly length?: number
  /** Draws the order in which texts and images are taken, rather than that of the files. */
  readonly shuffle?: boolean
  readonly seed?: number
}

/**
 * Windows of one length, as far as the tokens go: what does not fill one is joined with what comes after, each document with the special
 * tokens at its ends. The last window may be shorter.
 */
const joined = (windows: readonly Window[], length: number): readonly Window[] => {
  const full = windows.filter(window => window.length === length)
  const rest = windows.filter(window => window.length < length).flat()
  const count = Math.ceil(rest.length / length)
  return [...full, ...Array.from({ length: count }, (_, i) => rest.slice(i * length, (i + 1) * length))]
}

const refuseFew = (windows: readonly Window[], file: string): void => {
  const tokens = windows.reduce((sum, window) => sum + window.length, 0)
  if (tokens < FEWEST_TOKENS) {
    throw new CompressionError(
      'NO_CALIBRATION',
      `${file} has ${tokens} tokens, and fewer than ${FEWEST_TOKENS} teach nothing.`,
      'Give a longer text to learn from.',
      {
        file,
        tokens,
      },
    )
  }
}

const inBatches = <T>(list: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size))

/** Batches of token ids, (rows, tokens), and how much they hold. */
export interface WindowBatches {
  readonly batches: tf.Tensor[]
  readonly tokens: number
  readonly windows: number
}

/**
 * Windows of token ids from texts, spread evenly over them; `from` names the texts in errors. The caller disposes the batches.
 * Throws UNSUPPORTED for a model without a tokenizer, BAD_OPTION for a length that does not fit it and NO_CALIBRATION for too few tokens.
 */
export const windowBatches = (model: TextModel, texts: readonly Text[], from: string, flags: SampleFlags = {}): WindowBatches => {
  const length = windowLength(model, flags.length, LONGEST_WINDOW)
  const windows = joined(windowsOf(texts, encoderOf(model), length), length)
  refuseFew(windows, from)
  const full = windows.filter(window => window.length === length)
  const most = flags.samples ?? Math.max(1, Math.floor(MOST_TOKENS / length))
  const spread = flags.shuffle ? full.slice(0, most) : pickSpread(full, most)
  const short = windows.filter(window => window.length < length)
  const rest = flags.samples === undefined ? short : short.slice(0, Math.max(0, most - spread.length))
  const rowsPerBatch = Math.max(1, Math.min(MOST_ROWS, Math.floor(TOKENS_PER_BATCH / length)))
  const batches = [...inBatches(spread, rowsPerBatch), ...rest.map(window => [window])].map(rows =>
    tf.tensor2d(Int32Array.from(rows.flatMap(row => [...row])), [rows.length, rows[0].length], 'int32'),
  )
  return { batches, tokens: batches.reduce((sum, batch) => sum + batch.size, 0), windows: spread.length + rest.length }
}
