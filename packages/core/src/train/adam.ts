import * as tf from '@tensorflow/tfjs-core'
import type { Shape } from '@tersor/tensor'
import type { GradientTransform, Schedule } from './gradient-transform.js'

export interface AdamOptions {
  readonly learningRate: number | Schedule
  /** Decay of the mean of gradients. */
  readonly beta1?: number
  /** Decay of the mean of squared gradients. */
  readonly beta2?: number
  readonly epsilon?: number
  /** Fraction of a matrix that each unit of learning rate takes away; vectors are spared. */
  readonly weightDecay?: number
}

export type AdamState = { mean: tf.Tensor; square: tf.Tensor }

/**
 * Adam with decoupled weight decay: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², update = −η (m̂ / (√v̂ + ε) + λw).
 * Kingma and Ba 2014, https://arxiv.org/abs/1412.6980; Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101
 */
export const adam = ({
  learningRate,
  beta1 = 0.9,
  beta2 = 0.999,
  epsilon = 1e-8,
  weightDecay = 0,
}: AdamOptions): GradientTransform<AdamState> =>
  Object.freeze<GradientTransform<AdamState>>({
    name: 'adam',
    init: (shape: Shape) => ({ mean: tf.zeros([...shape]), square: tf.zeros([...shape]) }),
    update: (gradient, { mean, square }, { parameter, step }) => {
      const rate = typeof learningRate === 'number' ? learningRate : learningRate(step)
      const m = tf.add(tf.mul(mean, beta1), tf.mul(gradient, 1 - beta1))
      const v = tf.add(tf.mul(square, beta2), tf.mul(tf.square(gradient), 1 - beta2))
      // both bias corrections as scalars: −η √(1−β₂ᵗ)/(1−β₁ᵗ) · m / (√v + ε √(1−β₂ᵗ))
      const root = Math.sqrt(1 - beta2 ** (step + 1))
      const scale = (-rate * root) / (1 - beta1 ** (step + 1))
      const direction = tf.mul(tf.div(m, tf.add(tf.sqrt(v), epsilon * root)), scale)
      const decays = weightDecay > 0 && parameter.rank > 1
      return [decays ? tf.sub(direction, tf.mul(parameter, rate * weightDecay)) : direction, { mean: m, square: v }]
    },
  })
