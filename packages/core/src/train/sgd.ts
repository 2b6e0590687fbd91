import * as tf from '@tensorflow/tfjs-core'
import type { GradientTransform } from './gradient-transform.js'
import { valueAt, type Schedule } from './schedules.js'

export interface SgdOptions {
  readonly learningRate: number | Schedule
  /** Part of the velocity that is kept from step to step. */
  readonly momentum?: number
}

/** Stochastic gradient descent with heavy-ball momentum: u ← μu + g, update = −η u. Polyak 1964. */
export const sgd = ({ learningRate, momentum = 0 }: SgdOptions): GradientTransform<tf.Tensor[]> =>
  Object.freeze<GradientTransform<tf.Tensor[]>>({
    name: 'sgd',
    hasMomentum: momentum > 0,
    init: shape => (momentum > 0 ? [tf.zeros([...shape])] : []),
    update: (gradient, velocity, { step }) => {
      const direction = velocity.length > 0 ? tf.add(tf.mul(velocity[0], momentum), gradient) : gradient
      return [tf.mul(direction, -valueAt(learningRate, step)), velocity.length > 0 ? [direction] : []]
    },
  })

/**
 * Stochastic gradient descent that looks ahead along its velocity: u ← μu + g, update = −η (g + μu).
 * Sutskever et al. 2013, https://proceedings.mlr.press/v28/sutskever13.html
 */
export const nesterov = ({ learningRate, momentum = 0.9 }: SgdOptions): GradientTransform<tf.Tensor> =>
  Object.freeze<GradientTransform<tf.Tensor>>({
    name: 'nesterov',
    hasMomentum: true,
    init: shape => tf.zeros([...shape]),
    update: (gradient, velocity, { step }) => {
      const next = tf.add(tf.mul(velocity, momentum), gradient)
      return [tf.mul(tf.add(gradient, tf.mul(next, momentum)), -valueAt(learningRate, step)), next]
    },
  })

/** Moves each number by the learning rate, against the sign of its gradient: update = −η sign(g). Bernstein et al. 2018, https://arxiv.org/abs/1802.04434 */
export const signSgd = ({ learningRate }: Pick<SgdOptions, 'learningRate'>): GradientTransform<tf.Tensor[]> =>
  Object.freeze<GradientTransform<tf.Tensor[]>>({
    name: 'sign-sgd',
    init: () => [],
    update: (gradient, state, { step }) => [tf.mul(tf.sign(gradient), -valueAt(learningRate, step)), state],
  })
