import * as tf from '@tensorflow/tfjs-core'
import { createRng } from '@tersor/core'

/** Normally distributed numbers, the same for the same seed. */
export const normalValues = (count: number, seed: number, deviation = 1): Float32Array => {
  const rng = createRng(seed)
  return Float32Array.from({ length: count }, () => rng.normal() * deviation)
}

export const normalTensor = <T extends tf.Tensor = tf.Tensor>(shape: readonly number[], seed: number, deviation = 1): T =>
  tf.tensor(normalValues(tf.util.sizeFromShape([...shape]), seed, deviation), [...shape]) as T

/** XᵀX / rows + I, (n, n): symmetric, positive definite and well conditioned, with X of 2n rows. */
export const positiveDefinite = (n: number, seed: number): tf.Tensor2D =>
  tf.tidy(() => {
    const x = normalTensor<tf.Tensor2D>([2 * n, n], seed)
    return tf.add(tf.div(tf.matMul(x, x, true), 2 * n), tf.eye(n)) as tf.Tensor2D
  })
