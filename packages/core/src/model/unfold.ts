import * as tf from '@tensorflow/tfjs-core'
import type { ConvolutionGeometry, Site } from './model.js'

/** Every so many pixels of images (batch, height, width, channels), without a strided slice, which few engines do fast. */
export const everyNth = (x: tf.Tensor, [down, across]: readonly [number, number]): tf.Tensor => {
  if (down === 1 && across === 1) return x
  const [batch, height, width, channels] = x.shape
  const [rows, columns] = [Math.ceil(height / down), Math.ceil(width / across)]
  const whole =
    rows * down === height && columns * across === width
      ? x
      : tf.pad(x as tf.Tensor4D, [
          [0, 0],
          [0, rows * down - height],
          [0, columns * across - width],
          [0, 0],
        ])
  const cells = tf.reshape(whole, [batch, rows, down, columns, across, channels])
  return tf.reshape(tf.slice(cells, [0, 0, 0, 0, 0, 0], [batch, rows, 1, columns, 1, channels]), [batch, rows, columns, channels])
}

/** Patches of images, (batch · outHeight · outWidth, kernelHeight · kernelWidth · in), and the shape they stand in: channel fastest. */
export interface Unfolded {
  readonly rows: tf.Tensor2D
  readonly batch: number
  readonly outHeight: number
  readonly outWidth: number
}

/** Unfolds the patches that a convolution multiplies; x: (batch, height, width, in). */
export const unfold = (x: tf.Tensor, { kernel, strides, padding, dilations = [1, 1] }: ConvolutionGeometry): Unfolded => {
  const [top, bottom, left, right] = padding
  const [batch, height, width, channels] = x.shape
  const outHeight = Math.floor((height + top + bottom - (kernel[0] - 1) * dilations[0] - 1) / strides[0]) + 1
  const outWidth = Math.floor((width + left + right - (kernel[1] - 1) * dilations[1] - 1) / strides[1]) + 1
  const padded = tf.pad(x as tf.Tensor4D, [
    [0, 0],
    [top, bottom + strides[0] - 1],
    [left, right + strides[1] - 1],
    [0, 0],
  ])
  const size = [batch, outHeight * strides[0], outWidth * strides[1], channels]
  const shifted = Array.from({ length: kernel[0] * kernel[1] }, (_, i) =>
    everyNth(tf.slice(padded, [0, Math.floor(i / kernel[1]) * dilations[0], (i % kernel[1]) * dilations[1], 0], size), strides),
  )
  const rows = tf.reshape(tf.concat(shifted, 3), [batch * outHeight * outWidth, shifted.length * channels]) as tf.Tensor2D
  return { rows, batch, outHeight, outWidth }
}

/**
 * The input of a site as rows, in the order of the columns of its weight: (…, in) → (rows, in);
 * images (batch, height, width, in) → patches (batch · outHeight · outWidth, in · kernelHeight · kernelWidth), channel slowest where the weight
 * has its inputs before its kernel and fastest where it has them behind; depthwise, patches of each channel by itself,
 * (batch · outHeight · outWidth · in, kernelHeight · kernelWidth).
 */
export const rowsOf = (site: Site, input: tf.Tensor): tf.Tensor2D => {
  if (!site.convolution) return tf.reshape(input, [-1, input.shape[input.rank - 1]]) as tf.Tensor2D
  const { rows } = unfold(input, site.convolution)
  const { depthwise = false } = site.convolution
  const { inAxis, outAxis } = site
  if (!depthwise && inAxis - (outAxis < inAxis ? 1 : 0) > 0) return rows // the kernel comes first, also where it has one axis
  const [count, columns] = rows.shape
  const channels = input.shape[3]!
  const byChannel = tf.transpose(tf.reshape(rows, [count, columns / channels, channels]), [0, 2, 1])
  return tf.reshape(byChannel, depthwise ? [count * channels, columns / channels] : [count, columns]) as tf.Tensor2D
}
