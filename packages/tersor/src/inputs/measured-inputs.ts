import { readImages, windowsOf, type perplexity } from '@tersor/evaluation'
import type { Tokenizer } from '@tersor/models'
import type { OpenedModel } from '@tersor/models/open-model'
import { preprocessingBeside } from '../graph-images.js'
import { imagesPerBatch } from '../images-per-batch.js'
import { expandPaths, namedFiles } from '../texts/files.js'
import { readTexts } from '../texts/read-texts.js'
import { encoderOf, refuseLength, textModelOf, windowLength } from '../texts/text-model.js'
import { pickedPlaces } from './pick-samples.js'

type Language = OpenedModel & { readonly family: 'language' }
export type Imaging = Extract<OpenedModel, { family: 'image' | 'graph' }>

/** What takes text, and how. */
export const textOf = (
  model: OpenedModel,
): Parameters<typeof perplexity>[0] & { readonly tokenizer?: Tokenizer | undefined; readonly contextLength: number } =>
  model.family === 'graph' ? { ...model, ...model.text! } : (model as Language)

/** What of data is read, and how. */
export interface DataFlags {
  /** Files, folders and patterns. */
  readonly data: readonly string[]
  readonly samples?: number
  readonly length?: number
  readonly shuffle: boolean
  readonly seed: number
}

/** Says what was read, and the first of it. */
export type Tell = (told: string, first?: string) => void

/** Windows of the texts. */
export const windowsFor = async (model: OpenedModel, flags: DataFlags, tell: Tell) => {
  const text = textModelOf(model)!
  const encoder = encoderOf(text)
  const { texts, files, counted, first } = await readTexts(flags.data, { ...flags, ...(text.files ? { files: text.files } : {}) })
  const windows = windowsOf(texts, encoder, windowLength(text, flags.length))
  tell(`${counted} of ${namedFiles(files)}`, first)
  return flags.samples === undefined ? windows : pickedPlaces(windows.length, { samples: flags.samples }).map(place => windows[place])
}

/** How a model takes images: a graph as is declared beside it, others in their own size. */
export const imagesFor = async (model: Imaging, flags: DataFlags, path: string) => {
  refuseLength(flags.length)
  const data = await expandPaths(flags.data)
  const pick = flags.samples === undefined ? {} : { pick: (count: number) => pickedPlaces(count, flags) }
  if (model.family === 'image') {
    const [height, width] = model.imageShape
    return { images: await readImages(data, { size: [height, width], ...pick }), rows: imagesPerBatch(height, width) }
  }
  const preprocessing = await preprocessingBeside(model, path)
  const [rows] = model.inputs[0].shape ?? []
  const [height, width] = preprocessing.size
  return {
    images: await readImages(data, { size: preprocessing.size, ...pick }),
    preprocessing,
    rows: typeof rows === 'number' ? rows : imagesPerBatch(height, width),
  }
}
