import * as tf from '@tensorflow/tfjs-core'
import { windowsOf, type Window } from '@tersor/evaluation'
import type { OpenedModel } from '@tersor/models'
import { CompressionError } from '@tersor/tensor'
import { basename } from 'node:path'
import { preprocessingBeside } from './graph-images.js'
import { graphInputs, holdTensors } from './inputs/graph-inputs.js'
import { imageInputs } from './inputs/image-inputs.js'
import { pickSpread } from './inputs/pick-samples.js'
import { expandPaths } from './texts/files.js'
import { readTexts } from './texts/read-texts.js'
import { encoderOf, refuseLength, textModelOf, windowLength, type TextModel } from './texts/text-model.js'
import { firstIn } from './texts/shown-text.js'

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

/** Inputs to learn from; the caller disposes the batches. */
export interface Calibration {
  readonly batches: tf.Tensor[]
  /** What was read, in words, and the first of it. */
  readonly told: string
  readonly first?: string
}

/**
 * Inputs to learn from, for the model at a path, from files, folders and patterns: windows of token ids from texts, images, or tensors of a
 * graph. Throws what `readTexts`, `graphInputs` and `readImages` throw, and NO_CALIBRATION where there are too few tokens.
 */
export const readCalibration = async (
  model: OpenedModel,
  given: readonly string[],
  path: string,
  flags: SampleFlags = {},
): Promise<Calibration> => {
  const text = textModelOf(model)
  if (text && !(model.family === 'graph' && given.every(file => TENSORS.test(file)))) return textWindows(text, given, flags)
  refuseLength(flags.length)
  const files = await expandPaths(given)
  if (model.family === 'graph' && (await holdTensors(files))) {
    const batches = await graphInputs(model.inputs, files, flags)
    return { batches, told: `${batches.length} batch${batches.length === 1 ? '' : 'es'} of ${nameOf(files)}`, ...shapesIn(batches) }
  }
  const size = model.family === 'image' ? ([model.imageShape[0], model.imageShape[1]] as const) : undefined
  const preprocessing = model.family === 'graph' ? await preprocessingBeside(model, path) : undefined
  const form = preprocessing ? { size: preprocessing.size, preprocessing } : size ? { size } : {}
  const batches = await imageInputs(files, form, flags)
  const count = batches.reduce((sum, batch) => sum + (batch.shape[0] ?? 1), 0)
  return { batches, told: `${count} image${count === 1 ? '' : 's'} of ${nameOf(files)}`, ...shapesIn(batches) }
}

/** Tensors by themselves: a graph of text takes them too, besides texts. */
const TENSORS = /\.(safetensors|npy)$/i

const nameOf = (files: readonly string[]): string => (files.length === 1 ? basename(files[0]) : `${files.length} files`)

/** What the first of several inputs is like; graphs of several inputs have them packed into one. */
const shapesIn = ([first]: readonly tf.Tensor[]): { readonly first?: string } =>
  first && first.rank > 1 ? { first: `${first.dtype} ${first.shape.join(' × ')}` } : {}

const textWindows = async (model: TextModel, given: readonly string[], flags: SampleFlags): Promise<Calibration> => {
  const encoder = encoderOf(model)
  const { texts, files, counted, first } = await readTexts(given, { ...flags, ...(model.files ? { files: model.files } : {}) })
  const length = windowLength(model, flags.length, LONGEST_WINDOW)
  const windows = joined(windowsOf(texts, encoder, length), length)
  const from = nameOf(files)
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
  const tokens = batches.reduce((sum, batch) => sum + batch.size, 0)
  const count = spread.length + rest.length
  return {
    batches,
    told: `${tokens.toLocaleString('en')} tokens of ${from} (${counted}) in ${count} window${count === 1 ? '' : 's'}`,
    first,
  }
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

/** What calibration learns from, in one line that fits into the terminal where it can. */
export const calibrationText = ({ told, first }: Calibration, width: number): string => firstIn(`calibration: ${told}`, first, width)
