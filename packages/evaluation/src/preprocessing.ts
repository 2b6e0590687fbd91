import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'

/** What a network wants done to pixels: data, so that it can stand in a file beside the model. */
export interface Preprocessing {
  /** Height and width: images of another size are cropped to its proportions around their middle, then scaled bilinearly. */
  readonly size: readonly [number, number]
  /** Of each channel, in 0 … 1; 0 where absent. */
  readonly mean?: readonly number[]
  /** Of each channel, in 0 … 1; 1 where absent. */
  readonly deviation?: readonly number[]
  /** Whether channels come last, as tfjs has them, or first; last where absent. */
  readonly layout?: 'nhwc' | 'nchw'
}

/** Pixels along a side, above those of any network in use: a batch of larger images would take gigabytes. */
export const LARGEST_SIDE = 4096

const isSize = (extent: unknown): boolean => typeof extent === 'number' && Number.isInteger(extent) && extent > 0 && extent <= LARGEST_SIDE

/** Throws BAD_OPTION for a size, a mean or a deviation that cannot be. */
const check = ({ size, mean = [], deviation = [], layout = 'nhwc' }: Preprocessing, channels: number): void => {
  const bad = (what: string, remedy: string): CompressionError => new CompressionError('BAD_OPTION', what, remedy)
  if (size.length !== 2 || !size.every(isSize))
    throw bad(`preprocessing has the size ${JSON.stringify(size)}.`, `Pass height and width in pixels, up to ${LARGEST_SIDE}.`)
  for (const [name, values] of Object.entries({ mean, deviation }))
    if (values.length !== 0 && values.length !== channels)
      throw bad(`preprocessing has ${values.length} values for ${name}, and the images have ${channels} channels.`, 'Pass one a channel.')
  if (!deviation.every(value => value > 0 && Number.isFinite(value)) || !mean.every(Number.isFinite))
    throw bad(
      `preprocessing has mean ${JSON.stringify(mean)} and deviation ${JSON.stringify(deviation)}.`,
      'Pass finite means and deviations above 0.',
    )
  if (layout !== 'nhwc' && layout !== 'nchw') throw bad(`preprocessing has the layout ${JSON.stringify(layout)}.`, 'Pass nhwc or nchw.')
}

/** The largest window around the middle with the proportions of a size. */
const crop = (images: tf.Tensor4D, [height, width]: readonly [number, number]): tf.Tensor4D => {
  const [count, rows, columns, channels] = images.shape
  const scale = Math.min(rows / height, columns / width)
  const [down, across] = [Math.round(height * scale), Math.round(width * scale)]
  if (down === rows && across === columns) return images
  return tf.slice(images, [0, Math.floor((rows - down) / 2), Math.floor((columns - across) / 2), 0], [count, down, across, channels])
}

/** Images (batch, height, width, channels) in another size: cropped to its proportions around their middle, then scaled bilinearly. */
export const toSize = (images: tf.Tensor4D, size: readonly [number, number]): tf.Tensor4D =>
  tf.tidy(() => {
    const window = crop(images, size)
    const fits = window.shape[1] === size[0] && window.shape[2] === size[1]
    return fits ? tf.clone(window) : tf.image.resizeBilinear(window, [...size], false, true)
  })

/**
 * Makes of images (batch, height, width, channels), 0 … 255, what a network takes: cropped, scaled, (pixel / 255 − mean) / deviation, channels
 * first where it wants them there. The caller owns both. Throws BAD_OPTION.
 */
export const preprocess = (images: tf.Tensor4D, preprocessing: Preprocessing): tf.Tensor4D => {
  check(preprocessing, images.shape[3])
  const { size, mean, deviation, layout = 'nhwc' } = preprocessing
  return tf.tidy(() => {
    const unit = tf.div(toSize(images, size), 255)
    const centred = mean ? tf.sub(unit, tf.tensor1d([...mean])) : unit
    const normal = (deviation ? tf.div(centred, tf.tensor1d([...deviation])) : centred) as tf.Tensor4D
    return layout === 'nchw' ? tf.transpose(normal, [0, 3, 1, 2]) : tf.clone(normal)
  })
}
