import * as tf from '@tensorflow/tfjs-core'
import type { Model } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { eachOutput, type EvaluationOptions } from './each-output.js'
import { preparedBatch, type ImageSet } from './image-set.js'
import type { Preprocessing } from './preprocessing.js'

/** What a classifier tells of itself; without names, labels are indices of its logits. */
export interface Classifier extends Model {
  readonly classes?: readonly string[]
  /** Height, width and channels. */
  readonly imageShape?: readonly number[]
}

const IMAGES_PER_BATCH = 64

export interface TopOneOptions extends EvaluationOptions {
  /** Done to the images before the model sees them; nothing where absent. */
  readonly preprocessing?: Preprocessing
  /** Images that run together; 64 where absent. */
  readonly rows?: number
}

/**
 * The model's index of each class of the images: by name, or, where the model names none, the number that a class is called, or else its
 * place. Throws BAD_DATA for a class that the model does not know.
 */
const indicesOf = ({ classes }: Classifier, images: ImageSet): readonly number[] => {
  if (images.classes.length === 0)
    throw new CompressionError(
      'BAD_DATA',
      'The images have no classes.',
      'Put the images of each class into a folder of its name, or compare two models: topOneAgreement.',
    )
  if (!classes) return images.classes.map(images.classes.every(name => /^\d+$/.test(name)) ? Number : (_, label) => label)
  const stranger = images.classes.find(name => !classes.includes(name))
  if (stranger === undefined) return images.classes.map(name => classes.indexOf(name))
  throw new CompressionError(
    'BAD_DATA',
    `The images have a class "${stranger}", which the model does not know.`,
    `Its classes are ${classes.slice(0, 20).join(', ')}.`,
    { stranger, classes },
  )
}

const checkShape = ({ imageShape }: Classifier, { shape }: ImageSet): void => {
  if (!imageShape || imageShape.every((extent, axis) => extent === shape[axis])) return
  throw new CompressionError(
    'BAD_DATA',
    `The images are ${shape.join(' × ')}, but the model takes ${imageShape.join(' × ')}.`,
    'Scale them to that size first.',
    { got: shape, expected: imageShape },
  )
}

/**
 * How many images get the right class: the share whose largest logit stands at their label.
 * Throws BAD_DATA where classes or size of the images do not fit the model, or the signal's reason.
 */
export const topOne = async (
  model: Classifier,
  images: ImageSet,
  { preprocessing, rows = IMAGES_PER_BATCH, ...options }: TopOneOptions = {},
): Promise<{ readonly top1: number; readonly correct: number; readonly count: number }> => {
  if (!preprocessing) checkShape(model, images)
  const indices = indicesOf(model, images)
  let correct = 0
  const batches = Array.from({ length: Math.ceil(images.count / rows) }, (_, i) => {
    const start = i * rows
    const end = Math.min(start + rows, images.count)
    return {
      size: end - start,
      shape: [end - start],
      input: () => preparedBatch(images, start, end, preprocessing),
      visit: async (chosen: tf.Tensor) => {
        const best = await chosen.data()
        best.forEach((index, row) => (correct += index === indices[images.labels[start + row]] ? 1 : 0))
      },
    }
  })
  await eachOutput(model, batches, { ...options, reduce: logits => tf.argMax(logits, -1) })
  return { top1: correct / images.count, correct, count: images.count }
}
