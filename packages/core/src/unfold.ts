import * as tf from '@tensorflow/tfjs-core'
import type { Site } from './model.js'

/**
 * The input of a site as rows: (…, in) → (rows, in);
 * images (batch, height, width, in) → patches (batch · outHeight · outWidth, in · kernelHeight · kernelWidth), channel slowest.
 */
export const rowsOf = (site: Site, input: tf.Tensor): tf.Tensor2D => {
  if (!site.convolution) return tf.reshape(input, [-1, input.shape[input.rank - 1]!]) as tf.Tensor2D
  const { kernel, strides, padding } = site.convolution
  const [top, bottom, left, right] = padding
  const padded = tf.pad(input as tf.Tensor4D, [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ])
  const [batch, height, width, channels] = padded.shape as [number, number, number, number]
  const outHeight = Math.floor((height - kernel[0]) / strides[0]) + 1
  const outWidth = Math.floor((width - kernel[1]) / strides[1]) + 1
  const offsets = Array.from({ length: kernel[0] * kernel[1] }, (_, i) => [Math.floor(i / kernel[1]), i % kernel[1]] as const)
  const shifted = offsets.map(([y, x]) =>
    tf.stridedSlice(
      padded,
      [0, y, x, 0],
      [batch, y + (outHeight - 1) * strides[0] + 1, x + (outWidth - 1) * strides[1] + 1, channels],
      [1, strides[0], strides[1], 1],
    ),
  )
  return tf.reshape(tf.stack(shifted, 4), [batch * outHeight * outWidth, channels * offsets.length]) as tf.Tensor2D // (b, oh, ow, c, k) → rows
}
