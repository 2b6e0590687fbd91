import * as tf from '@tensorflow/tfjs-core'
import { decode } from '@tersor/core'
import { preparedBatch, readDocuments, readImages, windowsOf, type Preprocessing } from '@tersor/evaluation'
import { openSafetensors } from '@tersor/formats/safetensors'
import type { OpenedModel } from '@tersor/models'
import { CompressionError } from '@tersor/tensor'
import { preprocessingBeside } from './graph-images.js'

/** Enough for the methods of this repository on layers of up to 8,192 columns. */
const MOST_TOKENS = 32_768
/** Windows are no longer than this, however long the model's context. */
const LONGEST_WINDOW = 2048
/** Fewer tokens than this say nothing about a model. */
const FEWEST_TOKENS = 32
const MOST_IMAGES = 512
/** What a batch takes grows with its tokens: a layer of 5,632 columns makes 6 MB of each of its tensors from so many. */
const TOKENS_PER_BATCH = 256
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
  file.endsWith('.safetensors') ? tensorBatches(file) : imageBatches(file, await preprocessingBeside(model, path))

/** What a graph learns from: each tensor of the file is a batch of its first input. */
const tensorBatches = async (file: string): Promise<tf.Tensor[]> => {
  const store = await openSafetensors(file)
  try {
    const batches: tf.Tensor[] = []
    for (const name of store.names()) batches.push(decode(await store.read(name)))
    return batches
  } finally {
    await store.close()
  }
}

const textBatches = async (model: Exclude<OpenedModel, { family: 'image' | 'graph' }>, file: string): Promise<tf.Tensor[]> => {
  const documents = await readDocuments(file)
  if (!model.tokenizer)
    throw new CompressionError(
      'UNSUPPORTED',
      'The model has no tokenizer.json, so text cannot be read for it.',
      'Put its tokenizer.json into the folder.',
    )
  const length = Math.min(model.contextLength, LONGEST_WINDOW)
  const windows = windowsOf(documents, model.tokenizer, length)
  const full = windows.filter(window => window.length === length)
  if (full.length === 0) return shortBatches(windows, file)
  const spread = pickSpread(full, Math.max(1, Math.floor(MOST_TOKENS / length)))
  const rowsPerBatch = Math.max(1, Math.min(MOST_ROWS, Math.floor(TOKENS_PER_BATCH / length)))
  return inBatches(spread, rowsPerBatch).map(rows =>
    tf.tensor2d(Int32Array.from(rows.flatMap(row => [...row])), [rows.length, length], 'int32'),
  )
}

/** Each window by itself, where no document fills a whole one. */
const shortBatches = (windows: readonly (readonly number[] | Int32Array)[], file: string): tf.Tensor[] => {
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
  return windows.map(window => tf.tensor2d(Int32Array.from(window), [1, window.length], 'int32'))
}

/** In the size that the network takes, as `evaluate` reads them. */
const imageBatches = async (file: string, preprocessing?: Preprocessing, size = preprocessing?.size): Promise<tf.Tensor[]> => {
  const images = await readImages(file, size ? { size } : {})
  const count = Math.min(images.count, MOST_IMAGES)
  const starts = Array.from({ length: Math.ceil(count / 64) }, (_, i) => i * 64)
  return starts.map(start => preparedBatch(images, start, Math.min(start + 64, count), preprocessing))
}

/** At most `most` of a list, evenly spread over it. */
const pickSpread = <T>(list: readonly T[], most: number): T[] =>
  list.length <= most ? [...list] : Array.from({ length: most }, (_, i) => list[Math.floor((i * list.length) / most)])

const inBatches = <T>(list: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size))
