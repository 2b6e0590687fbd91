import * as tf from '@tensorflow/tfjs-core'
import type { AdamOptions, AdamState } from './adam.js'
import type { GradientTransform } from './gradient-transform.js'
import { valueAt } from './schedules.js'

const normOf = (x: tf.Tensor): tf.Tensor => tf.sqrt(tf.sum(tf.square(x)))

/** ‖w‖ / ‖r‖, or 1 where either is 0. */
const ratioOf = (parameter: tf.Tensor, direction: tf.Tensor): tf.Tensor => {
  const [weight, length] = [normOf(parameter), normOf(direction)]
  const both = tf.logicalAnd(tf.greater(weight, 0), tf.greater(length, 0))
  return tf.where(both, tf.div(weight, tf.add(length, tf.cast(tf.logicalNot(both), 'float32'))), tf.onesLike(weight))
}

/**
 * Adam whose step is as long as the weight's norm allows, for large batches: r = m̂ / (√v̂ + ε) + λw, update = −η (‖w‖ / ‖r‖) r, norms over
 * the whole tensor; decay spares vectors. You et al. 2019, https://arxiv.org/abs/1904.00962
 */
export const lamb = ({
  learningRate,
  beta1 = 0.9,
  beta2 = 0.999,
  epsilon = 1e-6,
  weightDecay = 0,
}: AdamOptions): GradientTransform<AdamState> =>
  Object.freeze<GradientTransform<AdamState>>({
    name: 'lamb',
    hasMomentum: true,
    init: shape => ({ mean: tf.zeros([...shape]), square: tf.zeros([...shape]) }),
    update: (gradient, state, { parameter, step }) => {
      const mean = tf.add(tf.mul(state.mean, beta1), tf.mul(gradient, 1 - beta1))
      const square = tf.add(tf.mul(state.square, beta2), tf.mul(tf.square(gradient), 1 - beta2))
      const [corrected, spread] = [tf.div(mean, 1 - beta1 ** (step + 1)), tf.sqrt(tf.div(square, 1 - beta2 ** (step + 1)))]
      const moved = tf.div(corrected, tf.add(spread, epsilon))
      const direction = parameter.rank > 1 && weightDecay > 0 ? tf.add(moved, tf.mul(parameter, weightDecay)) : moved
      return [tf.mul(direction, tf.mul(ratioOf(parameter, direction), -valueAt(learningRate, step))), { mean, square }]
    },
  })
