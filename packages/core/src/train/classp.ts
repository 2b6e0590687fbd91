import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { GradientTransform } from './gradient-transform.js'
import { valueAt, type Schedule } from './schedules.js'

export interface ClasspOptions {
  readonly learningRate: number | Schedule
  /** A number whose squared gradient is not above it stays where it is; 0 where absent. */
  readonly threshold?: number
  /** p of the sum and the root; 2 where absent. */
  readonly power?: number
  /** What stands in the root beside the sum: the first step is η g / ε^(1/p). 1 where absent. */
  readonly epsilon?: number
}

/** The sum of |g|^p of each number's steps so far. */
export type ClasspState = { sum: tf.Tensor }

const check = (option: string, value: number, holds: boolean, wanted: string): void => {
  if (!holds) throw new CompressionError('BAD_OPTION', `classp got ${option} = ${value}.`, `Pass ${wanted}.`, { option, value })
}

/**
 * CLASSP, which forgets less: where g² > θ, update = −η g / (ε + A)^(1/p), and then A ← A + |g|^p; elsewhere neither moves. A number that has
 * moved much moves slowly, so that later tasks find their way by others; A is kept from task to task of one training. With θ = 0 and p = 2 it is
 * AdaGrad whose sum does not hold the gradient of the step. Throws BAD_OPTION. Ludwig 2024, https://arxiv.org/abs/2405.09637
 * Differs from the paper: ε = 1, and a sum that stands still where nothing moves, are ours; the released code has one gate a tensor, and its sum
 * holds the gradient of the step already.
 */
export const classp = ({ learningRate, threshold = 0, power = 2, epsilon = 1 }: ClasspOptions): GradientTransform<ClasspState> => {
  check('threshold', threshold, threshold >= 0, 'a number of at least 0') // prettier-ignore
  check('power', power, power > 0 && Number.isFinite(power), 'a number above 0')
  check('epsilon', epsilon, epsilon > 0 && Number.isFinite(epsilon), 'a number above 0: the first step is divided by a root of it')
  return Object.freeze<GradientTransform<ClasspState>>({
    name: 'classp',
    init: shape => ({ sum: tf.zeros([...shape]) }),
    update: (gradient, { sum }, { step }) => {
      const moves = tf.cast(tf.greater(tf.square(gradient), threshold), 'float32')
      const moving = tf.mul(gradient, moves)
      const root = tf.pow(tf.add(sum, epsilon), 1 / power)
      return [tf.mul(tf.div(moving, root), -valueAt(learningRate, step)), { sum: tf.add(sum, tf.pow(tf.abs(moving), power)) }]
    },
  })
}
