import * as tf from '@tensorflow/tfjs-core'
import type { AfterProduct, ConvolutionGeometry, Env, Moments, Site } from '@tersor/core'
import { siteInput } from '@tersor/core/site-product'
import { unfold } from '@tersor/core/internal/model/unfold'

/** Engines that multiply matrices fast and have no convolution of their own: there, patches are unfolded first. */
const UNFOLDING: ReadonlySet<string> = new Set(['ort'])

/** A batch norm behind a convolution; its parameters are (channels) each. */
export interface Norm {
  readonly gain: tf.Tensor
  readonly bias: tf.Tensor
  readonly epsilon: number
  /** What it takes off and divides by, as numbers or made of the convolution's output (batch, height, width, channels). */
  readonly moments: Moments | ((y: tf.Tensor) => Moments)
}

/** The norm as y · scale + shift, (channels) each. */
const lineOf = ({ gain, bias, epsilon }: Norm, { mean, variance }: Moments): readonly [scale: tf.Tensor, shift: tf.Tensor] => {
  const scale = tf.mul(gain, tf.rsqrt(tf.add(variance, epsilon)))
  return [scale, tf.sub(bias, tf.mul(mean, scale))]
}

/** patches · (W · scale)ᵀ + shift. */
const unfolded = (x: tf.Tensor, weight: tf.Tensor, geometry: ConvolutionGeometry, scale?: tf.Tensor, shift?: tf.Tensor): tf.Tensor => {
  const { rows, batch, outHeight, outWidth } = unfold(x, geometry)
  const outputs = weight.shape[0]
  const filter = tf.reshape(tf.transpose(weight, [2, 3, 1, 0]), [-1, outputs]) // (kernelHeight · kernelWidth · in, out)
  const y = tf.matMul(rows, scale ? tf.mul(filter, scale) : filter)
  return tf.reshape(shift ? tf.add(y, shift) : y, [batch, outHeight, outWidth, outputs])
}

const direct = (x: tf.Tensor, weight: tf.Tensor, geometry: ConvolutionGeometry, scale?: tf.Tensor, shift?: tf.Tensor): tf.Tensor => {
  const [top, bottom, left, right] = geometry.padding
  const padding: [[0, 0], [number, number], [number, number], [0, 0]] = [
    [0, 0],
    [top, bottom],
    [left, right],
    [0, 0],
  ]
  const filter = tf.transpose(weight, [2, 3, 1, 0]) as tf.Tensor4D // (kernelHeight, kernelWidth, in, out)
  const scaled = (scale ? tf.mul(filter, scale) : filter) as tf.Tensor4D
  const y = tf.conv2d(x as tf.Tensor4D, scaled, [...geometry.strides], padding, 'NHWC', [...(geometry.dilations ?? [1, 1])])
  return shift ? tf.add(y, shift) : y
}

const multiply = (): typeof unfolded => (UNFOLDING.has(tf.getBackend()) ? unfolded : direct)

/**
 * Convolves images (batch, height, width, in) with a weight (out, in, kernelHeight, kernelWidth), then applies
 * (y − mean) / √(variance + ε) · gain + bias, or adds a bias (out). A norm whose moments are numbers is folded into the weight; one that
 * measures y itself comes after the product.
 */
export const convolution = (x: tf.Tensor, weight: tf.Tensor, geometry: ConvolutionGeometry, after: Norm | tf.Tensor): tf.Tensor => {
  const product = multiply()
  if (!('gain' in after)) return product(x, weight, geometry, undefined, after)
  const { moments } = after
  if (typeof moments !== 'function') return product(x, weight, geometry, ...lineOf(after, moments))
  return behind(product(x, weight, geometry), after)
}

/** A norm or a bias behind a product that it is not folded into. */
const behind = (y: tf.Tensor, after: Norm | tf.Tensor): tf.Tensor => {
  if (!('gain' in after)) return tf.add(y, after)
  const { moments } = after
  const [scale, shift] = lineOf(after, typeof moments === 'function' ? moments(y) : moments)
  return tf.add(tf.mul(y, scale), shift)
}

/** What a norm or a bias does, where that does not hang on the product. */
const afterOf = (after: Norm | tf.Tensor): AfterProduct => {
  if (!('gain' in after)) return { shift: after }
  const { moments } = after
  if (typeof moments === 'function') return {}
  const [scale, shift] = lineOf(after, moments)
  return { scale, shift }
}

/** The convolution at a site with what stands behind it; input: (batch, height, width, in). */
export const convolutionAt = (
  input: tf.Tensor,
  site: Site & { readonly convolution: ConvolutionGeometry },
  env: Env,
  after: Norm | tf.Tensor,
): tf.Tensor => {
  const geometry = site.convolution
  const x = siteInput(site, input, env)
  const weight = (): tf.Tensor => env.weights(site.weight)
  const times = (given: tf.Tensor, by: tf.Tensor): tf.Tensor => multiply()(given, by, geometry)
  const own = env.product?.({ site, input: x, weight, times, after: () => afterOf(after) })
  return own ? behind(own, after) : convolution(x, weight(), geometry, after) // there, the norm is folded into the weight
}
