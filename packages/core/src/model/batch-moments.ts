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

/**
 * What is stored after a batch: stored + momentum · (batch − stored), where the batch's variance is the unbiased estimate, n / (n − 1) times its
 * mean of squares, as PyTorch keeps it; count: the n values that each channel was measured over; all (channels).
 * Ioffe and Szegedy 2015, https://arxiv.org/abs/1502.03167, algorithm 2
 */
export const runningMoments = (stored: Moments, batch: Moments, { count, momentum }: { count: number; momentum: number }): Moments => {
  const towards = (from: Tensor, to: Tensor): Tensor => tf.add(from, tf.mul(tf.sub(to, from), momentum))
  const unbiased = tf.mul(batch.variance, count / Math.max(1, count - 1))
  return { mean: towards(stored.mean, batch.mean), variance: towards(stored.variance, unbiased) }
}
