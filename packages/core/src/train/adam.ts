import * as tf from '@tensorflow/tfjs-core'
import { adamUpdate } from '@tersor/kernels/adam-update'
import type { Shape } from '@tersor/tensor'
import type { GradientTransform, UpdateContext } from './gradient-transform.js'
import { valueAt, type Schedule } from './schedules.js'

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
export const adam = ({ learningRate, weightDecay = 0, ...betas }: AdamOptions): GradientTransform<AdamState> => {
  const rateOf = ({ step }: UpdateContext): number => valueAt(learningRate, step)
  const decayOf = ({ parameter }: UpdateContext): number => (parameter.rank > 1 ? weightDecay : 0)
  return Object.freeze<GradientTransform<AdamState>>({
    name: 'adam',
    hasMomentum: true,
    init: (shape: Shape) => ({ mean: tf.zeros([...shape]), square: tf.zeros([...shape]) }),
    update: (gradient, state, context) => {
      const { parameter, step } = context
      const [rate, decay] = [rateOf(context), decayOf(context)]
      const [moved, mean, square] = adamUpdate(
        { parameter: tf.zerosLike(parameter), gradient, ...state },
        { ...betas, rate, step: step + 1 },
      )
      return [decay > 0 ? tf.sub(moved, tf.mul(parameter, rate * decay)) : moved, { mean, square }]
    },
    apply: (gradient, state, context) => {
      const { parameter, step } = context
      const options = { ...betas, rate: rateOf(context), step: step + 1, weightDecay: decayOf(context) }
      const [moved, mean, square] = adamUpdate({ parameter, gradient, ...state }, options)
      return [moved, { mean, square }]
    },
  })
}
