import * as tf from '@tensorflow/tfjs-core'
import { preparedBatch, readDocuments, readImages, windowsOf, type Preprocessing, type Window } from '@tersor/evaluation'
import type { OpenedModel } from '@tersor/models'
import { CompressionError } from '@tersor/tensor'
import { graphBatches } from './graph-batches.js'
import { preprocessingBeside } from './graph-images.js'
import { imagesPerBatch } from './images-per-batch.js'

/** Enough for the methods of this repository on layers of up to 8,192 columns. */
const MOST_TOKENS = 32_768
/** Windows are no longer than this, however long the model's context. */
const LONGEST_WINDOW = 2048
/** Fewer tokens than this say nothing about a model. */
const FEWEST_TOKENS = 32
/** 512 images, or fewer that are large. */
const MOST_IMAGE_BATCHES = 8
/** What a batch takes grows with its tokens: a layer of 5,632 columns makes 23 MB of each of its tensors from so many. Products of fewer rows are slower. */
const TOKENS_PER_BATCH = 1024
const MOST_ROWS = 8

/** Inputs to learn from, for the model at a path: windows of token ids from a text, or images; the caller disposes them. */
export const readCalibration = async (model: OpenedModel, file: string, path: string): Promise<tf.Tensor[]> =>
  model.family === 'image'
    ? imageBatches(file, undefined, [model.imageShape[0], model.imageShape[1]])
    : model.family === 'graph'
      ? graphInputs(model, file, path)
      : textBatches(model, file)

/** Images for a graph that takes images; for any graph the tensors of a file. */
const graphInputs = async (model: OpenedModel & { family: 'graph' }, file: string, path: string): Promise<tf.Tensor[]> =>
  file.endsWith('.safetensors') ? graphBatches(model.inputs, file) : imageBatches(file, await preprocessingBeside(model, path))

const textBatches = async (model: Exclude<OpenedModel, { family: 'image' | 'graph' }>, file: string): Promise<tf.Tensor[]> => {
  const documents = await readDocuments(file)
  if (!model.tokenizer)
    throw new CompressionError(
      'UNSUPPORTED',
      'The model has no tokenizer.json, so text cannot be read for it.',
      'Put its tokenizer.json into the folder.',
    )
  const length = Math.min(model.contextLength, LONGEST_WINDOW)
  const windows = joined(windowsOf(documents, model.tokenizer, length), length)
  refuseFew(windows, file)
  const full = windows.filter(window => window.length === length)
  const spread = pickSpread(full, Math.max(1, Math.floor(MOST_TOKENS / length)))
  const rowsPerBatch = Math.max(1, Math.min(MOST_ROWS, Math.floor(TOKENS_PER_BATCH / length)))
  const rest = windows.filter(window => window.length < length)
  return [...inBatches(spread, rowsPerBatch), ...rest.map(window => [window])].map(rows =>
    tf.tensor2d(Int32Array.from(rows.flatMap(row => [...row])), [rows.length, rows[0].length], 'int32'),
  )
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

/** What calibration learns from, in one line. */
export const calibrationText = (model: OpenedModel, batches: readonly tf.Tensor[], file: string): string => {
  const rows = batches.reduce((sum, batch) => sum + (batch.shape[0] ?? 1), 0)
  if (model.family !== 'language' && model.family !== 'encoder') return `calibration: ${rows} inputs of ${file}`
  const tokens = batches.reduce((sum, batch) => sum + batch.size, 0)
  return `calibration: ${tokens.toLocaleString('en')} tokens of ${file} in ${rows} windows`
}

/** In the size that the network takes, as `evaluate` reads them. */
const imageBatches = async (file: string, preprocessing?: Preprocessing, size = preprocessing?.size): Promise<tf.Tensor[]> => {
  const images = await readImages(file, size ? { size } : {})
  const rows = imagesPerBatch(images.shape[0], images.shape[1])
  const count = Math.min(images.count, rows * MOST_IMAGE_BATCHES)
  const starts = Array.from({ length: Math.ceil(count / rows) }, (_, i) => i * rows)
  return starts.map(start => preparedBatch(images, start, Math.min(start + rows, count), preprocessing))
}

/** At most `most` of a list, evenly spread over it. */
const pickSpread = <T>(list: readonly T[], most: number): T[] =>
  list.length <= most ? [...list] : Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)])

const inBatches = <T>(list: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size))
