import type * as tf from '@tensorflow/tfjs-core'
import type { OpenedModel } from '@tersor/models'
import { windowBatches, type SampleFlags } from './calibration-windows.js'
import { preprocessingBeside } from './graph-images.js'
import { graphInputs, holdTensors } from './inputs/graph-inputs.js'
import { imageInputs } from './inputs/image-inputs.js'
import { expandPaths, namedFiles } from './texts/files.js'
import { readTexts } from './texts/read-texts.js'
import { encoderOf, refuseLength, textModelOf, type TextModel } from './texts/text-model.js'
import { firstIn } from './texts/shown-text.js'

export type { SampleFlags } from './calibration-windows.js'

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
    return { batches, told: `${batches.length} batch${batches.length === 1 ? '' : 'es'} of ${namedFiles(files)}`, ...shapesIn(batches) }
  }
  const size = model.family === 'image' ? ([model.imageShape[0], model.imageShape[1]] as const) : undefined
  const preprocessing = model.family === 'graph' ? await preprocessingBeside(model, path) : undefined
  const form = preprocessing ? { size: preprocessing.size, preprocessing } : size ? { size } : {}
  const batches = await imageInputs(files, form, flags)
  const count = batches.reduce((sum, batch) => sum + (batch.shape[0] ?? 1), 0)
  return { batches, told: `${count} image${count === 1 ? '' : 's'} of ${namedFiles(files)}`, ...shapesIn(batches) }
}

/** Tensors by themselves: a graph of text takes them too, besides texts. */
const TENSORS = /\.(safetensors|npy)$/i

/** What the first of several inputs is like; graphs of several inputs have them packed into one. */
const shapesIn = ([first]: readonly tf.Tensor[]): { readonly first?: string } =>
  first && first.rank > 1 ? { first: `${first.dtype} ${first.shape.join(' × ')}` } : {}

const textWindows = async (model: TextModel, given: readonly string[], flags: SampleFlags): Promise<Calibration> => {
  encoderOf(model) // a model without a tokenizer is refused before anything is read
  const { texts, files, counted, first } = await readTexts(given, { ...flags, ...(model.files ? { files: model.files } : {}) })
  const from = namedFiles(files)
  const { batches, tokens, windows } = windowBatches(model, texts, from, flags)
  return {
    batches,
    told: `${tokens.toLocaleString('en')} tokens of ${from} (${counted}) in ${windows} window${windows === 1 ? '' : 's'}`,
    first,
  }
}

/** What calibration learns from, in one line that fits into the terminal where it can. */
export const calibrationText = ({ told, first }: Calibration, width: number): string => firstIn(`calibration: ${told}`, first, width)
