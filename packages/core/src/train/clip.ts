import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { GradientTransform } from './gradient-transform.js'

/**
 * Keeps gradients from being too large: with `norm` all of them are scaled by min(1, norm / ‖all gradients‖₂), with `value` each number is
 * brought into ± value. Stands in a chain before what steps. Throws BAD_OPTION. Pascanu et al. 2013, https://arxiv.org/abs/1211.5063
 */
export const clip = (limit: { readonly norm: number } | { readonly value: number }): GradientTransform<tf.Tensor[]> => {
  const [[how, most]] = Object.entries(limit) as [['norm' | 'value', number]]
  if (!(most > 0)) throw new CompressionError('BAD_OPTION', `clip got ${how} = ${most}.`, 'Pass a number above 0.', { [how]: most })
  return Object.freeze<GradientTransform<tf.Tensor[]>>({
    name: 'clip',
    init: () => [],
    update: (gradient, state, { norm }) => [
      how === 'value' ? tf.clipByValue(gradient, -most, most) : tf.mul(gradient, tf.minimum(1, tf.div(most, tf.add(norm, 1e-12)))),
      state,
    ],
  })
}
