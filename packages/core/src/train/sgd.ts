import * as tf from '@tensorflow/tfjs-core'
import type { GradientTransform, Schedule } from './gradient-transform.js'

/** Stochastic gradient descent with heavy-ball momentum: u ← μu + g, update = −η u. Polyak 1964. */
export const sgd = ({
  learningRate,
  momentum = 0,
}: {
  learningRate: number | Schedule
  momentum?: number
}): GradientTransform<tf.Tensor[]> =>
  Object.freeze<GradientTransform<tf.Tensor[]>>({
    name: 'sgd',
    init: shape => (momentum > 0 ? [tf.zeros([...shape])] : []),
    update: (gradient, velocity, { step }) => {
      const rate = typeof learningRate === 'number' ? learningRate : learningRate(step)
      const direction = velocity.length > 0 ? tf.add(tf.mul(velocity[0], momentum), gradient) : gradient
      return [tf.mul(direction, -rate), velocity.length > 0 ? [direction] : []]
    },
  })
