import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { Rng } from '../../run/rng.js'
import type { Augmentation, Image, Mixture } from './augmentations.js'
import { checkPositive } from '../check-positive.js'
import { passes } from './order.js'

/** Labelled images of one size, as `readImages` of @tersor/evaluation gives them. */
export interface LabelledImages {
  readonly count: number
  /** Height, width and channels. */
  readonly shape: readonly [number, number, number]
  readonly classes: readonly string[]
  /** The class of each image. */
  readonly labels: ArrayLike<number>
  /** Images start … end − 1, (images, height, width, channels); the caller owns the tensor. */
  batch(start: number, end: number): tf.Tensor
}

export interface ImageBatchesOptions {
  readonly images: LabelledImages
  /** Images a step; each image is seen once in a pass. */
  readonly batch: number
  /** In this order, such as [crop(4), flip]. */
  readonly augment?: readonly Augmentation[]
  /** Such as mixup(0.2); the target is then shares of the classes, float32 (batch, classes). */
  readonly mix?: (rows: number, rng: Rng) => Mixture
  /** Of the order of images. */
  readonly seed?: number
}

/** Images (batch, height, width, channels), their classes, int32 (batch), and which of the images they are, int32 (batch). */
export interface ImageBatch {
  readonly input: tf.Tensor
  readonly target: tf.Tensor
  readonly sample: tf.Tensor
}

const readImage = async ({ shape, batch }: LabelledImages, index: number): Promise<Image> => {
  const tensor = batch(index, index + 1)
  try {
    return { pixels: Float32Array.from(await tensor.data()), shape }
  } finally {
    tensor.dispose()
  }
}

const mixed = (rows: Float32Array, size: number, { share, others }: Mixture): Float32Array =>
  rows.map((value, i) => share * value + (1 - share) * rows[others[Math.floor(i / size)] * size + (i % size)])

/**
 * Batches of images for `train`: a function of step and random numbers alone, so that a run that goes on sees what it would have seen.
 * Throws BAD_OPTION, and BAD_DATA for a set without images or with a label for other than each.
 */
export const imageBatches = (options: ImageBatchesOptions): ((step: number, rng: Rng) => Promise<ImageBatch>) => {
  const { images, batch, augment = [], mix, seed = 0 } = options
  checkPositive('imageBatches', 'batch', batch)
  const { count, shape, labels, classes } = images
  if (count === 0 || labels.length !== count)
    throw new CompressionError(
      'BAD_DATA',
      `imageBatches got ${count} images with ${labels.length} labels.`,
      'Pass images that have a label each.',
    )
  const size = shape[0] * shape[1] * shape[2]
  const order = passes(count, batch, seed)
  return async (step, rng) => {
    const sample = order(step)
    const pixels = new Float32Array(batch * size)
    for (const [row, index] of sample.entries()) {
      const image = await readImage(images, index)
      pixels.set(augment.reduce((each, change) => change(each, rng), image).pixels, row * size)
    }
    const mixture = mix?.(batch, rng)
    const shares = () => Float32Array.from({ length: batch * classes.length }, (_, i) => Number(labels[sample[Math.floor(i / classes.length)]] === i % classes.length)) // prettier-ignore
    return {
      input: tf.tensor4d(mixture ? mixed(pixels, size, mixture) : pixels, [batch, ...shape]),
      target: mixture
        ? tf.tensor2d(mixed(shares(), classes.length, mixture), [batch, classes.length])
        : tf.tensor1d(sample.map(index => labels[index]), 'int32'), // prettier-ignore
      sample: tf.tensor1d(sample, 'int32'),
    }
  }
}
