import * as tf from '@tensorflow/tfjs-core'
import type { ConvolutionGeometry } from '@tersor/core'

/** Engines that multiply matrices fast and have no convolution of their own: there, patches are unfolded first. */
const UNFOLDING: ReadonlySet<string> = new Set(['ort'])

/** The measures of a batch norm, (channels) each. */
export interface Norm {
  readonly gain: tf.Tensor
  readonly bias: tf.Tensor
  readonly mean: tf.Tensor
  readonly variance: tf.Tensor
  readonly epsilon: number
}

type Padding = [[number, number], [number, number], [number, number], [number, number]]

/** Every stride-th pixel of images (batch, height, width, channels). */
export const everyNth = (x: tf.Tensor, stride: number): tf.Tensor => {
  if (stride === 1) return x
  const [batch, height, width, channels] = x.shape
  const [rows, columns] = [Math.ceil(height / stride), Math.ceil(width / stride)]
  const padding: Padding = [
    [0, 0],
    [0, rows * stride - height],
    [0, columns * stride - width],
    [0, 0],
  ]
  const whole = rows * stride === height && columns * stride === width ? x : tf.pad(x as tf.Tensor4D, padding)
  const cells = tf.reshape(whole, [batch, rows, stride, columns, stride, channels])
  return tf.reshape(tf.slice(cells, [0, 0, 0, 0, 0, 0], [batch, rows, 1, columns, 1, channels]), [batch, rows, columns, channels])
}

/** Patches as rows: (batch, height, width, in) → (batch · outHeight · outWidth, kernelHeight · kernelWidth · in). */
const unfold = (x: tf.Tensor, { kernel, strides, padding }: ConvolutionGeometry) => {
  const [top, bottom, left, right] = padding
  const [batch, height, width, channels] = x.shape
  const stride = strides[0]
  const outHeight = Math.floor((height + top + bottom - kernel[0]) / stride) + 1
  const outWidth = Math.floor((width + left + right - kernel[1]) / stride) + 1
  const over: Padding = [
    [0, 0],
    [top, bottom + stride - 1],
    [left, right + stride - 1],
    [0, 0],
  ]
  const padded = tf.pad(x as tf.Tensor4D, over)
  const shifted = Array.from({ length: kernel[0] * kernel[1] }, (_, i) =>
    everyNth(
      tf.slice(padded, [0, Math.floor(i / kernel[1]), i % kernel[1], 0], [batch, outHeight * stride, outWidth * stride, channels]),
      stride,
    ),
  )
  const rows = tf.reshape(tf.concat(shifted, 3), [batch * outHeight * outWidth, shifted.length * channels])
  return { rows, shape: [batch, outHeight, outWidth] }
}

/** patches · (W · s)ᵀ + shift, where the norm is y · s + shift. */
const unfoldedConvolution = (x: tf.Tensor, weight: tf.Tensor, geometry: ConvolutionGeometry, after: Norm | tf.Tensor): tf.Tensor => {
  const { rows, shape } = unfold(x, geometry)
  const outputs = weight.shape[0]
  const filter = tf.reshape(tf.transpose(weight, [2, 3, 1, 0]), [-1, outputs]) // (kernelHeight · kernelWidth · in, out)
  const scale = 'gain' in after ? tf.mul(after.gain, tf.rsqrt(tf.add(after.variance, after.epsilon))) : undefined
  const shift = 'gain' in after ? tf.sub(after.bias, tf.mul(after.mean, scale!)) : after
  return tf.reshape(tf.add(tf.matMul(rows, scale ? tf.mul(filter, scale) : filter), shift), [...shape, outputs])
}

const directConvolution = (x: tf.Tensor, weight: tf.Tensor, geometry: ConvolutionGeometry, after: Norm | tf.Tensor): tf.Tensor => {
  const [top, bottom, left, right] = geometry.padding
  const padding: [[0, 0], [number, number], [number, number], [0, 0]] = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ]
  const filter = tf.transpose(weight, [2, 3, 1, 0]) as tf.Tensor4D // (kernelHeight, kernelWidth, in, out)
  const y = tf.conv2d(x as tf.Tensor4D, filter, [...geometry.strides], padding)
  if (!('gain' in after)) return tf.add(y, after)
  const { mean, variance, bias, gain, epsilon } = after
  return tf.batchNorm(y, mean as tf.Tensor1D, variance as tf.Tensor1D, bias as tf.Tensor1D, gain as tf.Tensor1D, epsilon)
}

/**
 * Convolves images (batch, height, width, in) with a weight (out, in, kernelHeight, kernelWidth),
 * then applies (y − mean) / √(variance + ε) · gain + bias, or adds a bias (out); the strides of both axes are equal.
 */
export const convolution = (x: tf.Tensor, weight: tf.Tensor, geometry: ConvolutionGeometry, after: Norm | tf.Tensor): tf.Tensor =>
  (UNFOLDING.has(tf.getBackend()) ? unfoldedConvolution : directConvolution)(x, weight, geometry, after)
