import * as tf from '@tensorflow/tfjs-core'
import type { Tensor } from '@tensorflow/tfjs-core'
import type { Moments } from './model.js'

/** Mean and variance of each channel over all else, as a batch norm divides by while it trains; y: (batch, …, channels), results (channels). */
export const batchMoments = (y: Tensor): Moments => {
  const axes = y.shape.slice(0, -1).map((_, axis) => axis)
  const mean = tf.mean(y, axes, true)
  const variance = tf.mean(tf.square(tf.sub(y, mean)), axes)
  return { mean: tf.reshape(mean, variance.shape), variance }
}

/** The unbiased estimate of a variance over n values: n / (n − 1) times their mean of squares. */
export const unbiased = (variance: Tensor, count: number): Tensor => tf.mul(variance, count / Math.max(1, count - 1))

/** (1 − momentum) · stored + momentum · measured. */
export const towards = (stored: Tensor, measured: Tensor, momentum: number): Tensor =>
  tf.add(tf.mul(stored, 1 - momentum), tf.mul(measured, momentum))

/**
 * What is stored after a batch: (1 − momentum) · stored + momentum · batch, where the batch's variance is the unbiased estimate, n / (n − 1) times its
 * mean of squares, as PyTorch keeps it; count: the n values that each channel was measured over; all (channels).
 * Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167, algorithm 2
 */
export const runningMoments = (stored: Moments, batch: Moments, { count, momentum }: { count: number; momentum: number }): Moments => ({
  mean: towards(stored.mean, batch.mean, momentum),
  variance: towards(stored.variance, unbiased(batch.variance, count), momentum),
})
