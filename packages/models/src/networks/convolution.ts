import * as tf from '@tensorflow/tfjs-core'
import type { ConvolutionGeometry } from '@tersor/core'
import { unfold } from '@tersor/core/internal/model/unfold'

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

/** patches · (W · s)ᵀ + shift, where the norm is y · s + shift. */
const unfoldedConvolution = (x: tf.Tensor, weight: tf.Tensor, geometry: ConvolutionGeometry, after: Norm | tf.Tensor): tf.Tensor => {
  const { rows, batch, outHeight, outWidth } = unfold(x, geometry)
  const outputs = weight.shape[0]
  const filter = tf.reshape(tf.transpose(weight, [2, 3, 1, 0]), [-1, outputs]) // (kernelHeight · kernelWidth · in, out)
  const scale = 'gain' in after ? tf.mul(after.gain, tf.rsqrt(tf.add(after.variance, after.epsilon))) : undefined
  const shift = 'gain' in after ? tf.sub(after.bias, tf.mul(after.mean, scale!)) : after
  return tf.reshape(tf.add(tf.matMul(rows, scale ? tf.mul(filter, scale) : filter), shift), [batch, outHeight, outWidth, outputs])
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
  const y = tf.conv2d(x as tf.Tensor4D, filter, [...geometry.strides], padding, 'NHWC', [...(geometry.dilations ?? [1, 1])])
  if (!('gain' in after)) return tf.add(y, after)
  const { mean, variance, bias, gain, epsilon } = after
  return tf.batchNorm(y, mean as tf.Tensor1D, variance as tf.Tensor1D, bias as tf.Tensor1D, gain as tf.Tensor1D, epsilon)
}

/**
 * Convolves images (batch, height, width, in) with a weight (out, in, kernelHeight, kernelWidth),
 * then applies (y − mean) / √(variance + ε) · gain + bias, or adds a bias (out).
 */
export const convolution = (x: tf.Tensor, weight: tf.Tensor, geometry: ConvolutionGeometry, after: Norm | tf.Tensor): tf.Tensor =>
  (UNFOLDING.has(tf.getBackend()) ? unfoldedConvolution : directConvolution)(x, weight, geometry, after)
