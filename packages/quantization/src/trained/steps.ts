import * as tf from '@tensorflow/tfjs-core'
import { activationParameters, type ActivationGrid, type Place } from '@tersor/core'
import { through } from '@tersor/kernels/through'
import type { Parameter } from '@tersor/tensor'

/** The whole numbers that a code stands for, as numbers or tensors. */
export interface Levels<N = tf.Tensor> {
  readonly low: N
  readonly high: N
}

/** Nothing divides by less. */
export const SMALLEST = 1e-8

/** −2^(b−1) … 2^(b−1) − 1. */
export const signedLevels = (bits: number): Levels<number> => ({ low: -(2 ** (bits - 1)), high: 2 ** (bits - 1) - 1 })

/** The levels of a site's inputs: whole numbers of both signs where some of a first batch are below 0, and 0 … 2^b − 1 elsewhere. */
export const levelsFor = (least: tf.Tensor, bits: number): Levels => {
  const { low, high } = signedLevels(bits)
  const negative = tf.cast(tf.less(least, 0), 'float32')
  return { low: tf.mul(negative, low), high: tf.sub(2 ** bits - 1, tf.mul(negative, 2 ** bits - 1 - high)) }
}

/** min(max(x, low), high), whose gradient reaches all three. */
export const between = (x: tf.Tensor, { low, high }: Levels): tf.Tensor => tf.minimum(tf.maximum(x, low), high)

/** Rounds, and lets the gradient pass. */
export const rounded = (x: tf.Tensor): tf.Tensor => through(tf.round(x), x)

/** The grid of a site's inputs as it is stored beside its weight. */
export const gridBeside = async (
  { site }: Place,
  bits: number,
  step: tf.Tensor,
  { low }: Pick<Levels, 'low'>,
): Promise<ReadonlyMap<string, Parameter>> => {
  const [[scale], [least]] = await Promise.all([step.data(), low.data()])
  const grid: ActivationGrid = { bits, scale: Math.max(scale, SMALLEST), zero: -least }
  return activationParameters(site, grid)
}
