import { CompressionError } from '@tersor/tensor'
import type { Rng } from '../../run/rng.js'
import { checkPositive } from '../check-positive.js'
import { shuffled } from './order.js'

/** Pixels of one image, row by row, channel fastest; height, width and channels. */
export interface Image {
  readonly pixels: Float32Array
  readonly shape: readonly [height: number, width: number, channels: number]
}

/** Another image of the same shape. */
export type Augmentation = (image: Image, rng: Rng) => Image

/** Each pixel of another image: from whatever row and column of the old one, zeros where that is outside. */
const moved = ({ pixels, shape }: Image, from: (row: number, column: number) => readonly [number, number]): Image => {
  const [height, width, channels] = shape
  const next = new Float32Array(pixels.length)
  for (let row = 0; row < height; row++)
    for (let column = 0; column < width; column++) {
      const [y, x] = from(row, column)
      if (y < 0 || y >= height || x < 0 || x >= width) continue
      const source = (y * width + x) * channels
      next.set(pixels.subarray(source, source + channels), (row * width + column) * channels)
    }
  return { pixels: next, shape }
}

/** Moves an image by up to so many pixels in each direction; zeros come in at the edges. He et al. 2016, https://arxiv.org/abs/1512.03385, section 4.2. Throws BAD_OPTION. */
export const crop = (padding: number): Augmentation => {
  checkPositive('crop', 'padding', padding)
  return (image, rng) => {
    const [down, across] = [rng.integer(2 * padding + 1) - padding, rng.integer(2 * padding + 1) - padding]
    return moved(image, (row, column) => [row + down, column + across])
  }
}

/** Mirrors every second image, left for right. */
export const flip: Augmentation = (image, rng) => {
  const last = image.shape[1] - 1
  return rng.uniform() < 0.5 ? image : moved(image, (row, column) => [row, last - column])
}

/**
 * Covers a square of so many pixels a side, whose middle lies anywhere in the image, with a colour: 0 where absent, in the paper the mean.
 * DeVries and Taylor 2017, https://arxiv.org/abs/1708.04552. Throws BAD_OPTION.
 */
export const cutout = (size: number, colour: readonly number[] = [0]): Augmentation => {
  checkPositive('cutout', 'size', size)
  return ({ pixels, shape }, rng) => {
    const [height, width, channels] = shape
    const [top, left] = [rng.integer(height), rng.integer(width)].map(middle => middle - Math.floor(size / 2))
    const within = (at: number, from: number): boolean => at >= from && at < from + size
    const covered = (i: number): boolean =>
      within(Math.floor(i / (width * channels)), top) && within(Math.floor(i / channels) % width, left)
    return { pixels: pixels.map((value, i) => (covered(i) ? (colour[i % channels] ?? colour[0]) : value)), shape }
  }
}

/** What a batch is mixed of: row i is share · row i + (1 − share) · row others[i]. */
export interface Mixture {
  readonly share: number
  readonly others: Int32Array
}

/** From a gamma law of this shape and scale 1: Marsaglia and Tsang 2000, https://doi.org/10.1145/358407.358414. */
const gamma = (shape: number, rng: Rng): number => {
  if (shape < 1) return gamma(shape + 1, rng) * rng.uniform() ** (1 / shape)
  const d = shape - 1 / 3
  for (;;) {
    const x = rng.normal()
    const v = (1 + x / Math.sqrt(9 * d)) ** 3
    if (v > 0 && Math.log(1 - rng.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
  }
}

/** Mixes a batch with itself in another order, by a share from Beta(alpha, alpha); labels become shares alike. Zhang et al. 2018, https://arxiv.org/abs/1710.09412. Throws BAD_OPTION. */
export const mixup = (alpha: number): ((rows: number, rng: Rng) => Mixture) => {
  if (!(alpha > 0 && Number.isFinite(alpha)))
    throw new CompressionError('BAD_OPTION', `mixup got alpha = ${alpha}.`, 'Pass a positive number, such as 0.2.')
  return (rows, rng) => {
    const [one, other] = [gamma(alpha, rng), gamma(alpha, rng)]
    return { share: one + other > 0 ? one / (one + other) : 1, others: shuffled(rows, below => rng.integer(below)) }
  }
}
