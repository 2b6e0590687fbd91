import type * as tf from '@tensorflow/tfjs-core'
import { preparedBatch, readImages, type Preprocessing } from '@tersor/evaluation'
import { IMAGE } from '@tersor/evaluation/internal/image-folder'
import { imagesPerBatch } from '../images-per-batch.js'
import { pickedPlaces, type PickFlags } from './pick-samples.js'

/** 512 images, or fewer that are large. */
const MOST_BATCHES = 8

/** How a network takes images. */
export interface ImageForm {
  readonly size?: readonly [number, number]
  readonly preprocessing?: Preprocessing
}

/** Sources that are read as one: images by themselves together, each set and folder alone. */
const grouped = (given: readonly string[]): readonly (string | readonly string[])[] => {
  const loose = given.filter(path => IMAGE.test(path))
  return [...(loose.length > 0 ? [loose] : []), ...given.filter(path => !IMAGE.test(path))]
}

/** Batches of images from folders, sets and files, in the size that the network takes, as `evaluate` reads them; the caller disposes them. */
export const imageInputs = async (
  given: readonly string[],
  { size, preprocessing }: ImageForm,
  flags: PickFlags = {},
): Promise<tf.Tensor[]> => {
  const made: tf.Tensor[] = []
  const sources = grouped(given)
  const share = flags.samples === undefined ? flags : { ...flags, samples: Math.max(1, Math.floor(flags.samples / sources.length)) }
  const pick = flags.samples === undefined && !flags.shuffle ? undefined : (count: number) => pickedPlaces(count, share)
  for (const from of sources) {
    const images = await readImages(from, { ...(size ? { size } : {}), ...(pick ? { pick } : {}) })
    const rows = imagesPerBatch(images.shape[0], images.shape[1])
    const count = flags.samples === undefined ? Math.min(images.count, rows * MOST_BATCHES) : images.count
    for (let start = 0; start < count; start += rows) made.push(preparedBatch(images, start, Math.min(start + rows, count), preprocessing))
  }
  return made
}
