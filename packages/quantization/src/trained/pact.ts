import * as tf from '@tensorflow/tfjs-core'
import { affineFrom, defineParametrization, integer, number, type Grid } from '@tersor/core'
import { through } from '@tersor/kernels/through'
import { between, gridBeside, levelsFor, type Levels } from './steps.js'

/** clip(x, α low / high, α) on the levels in between; the gradient passes within, and that of what is clipped goes to α. */
export const clippedAt = (x: tf.Tensor, alpha: tf.Tensor, { low, high }: Levels): tf.Tensor => {
  const clipped = between(x, { low: tf.mul(alpha, tf.div(low, high)), high: alpha })
  const step = tf.div(alpha, high)
  return through(tf.mul(tf.round(tf.div(clipped, step)), step), clipped)
}

/** The grid of weights, a row at a time: symmetric, from the largest of each. */
const gridFor = (bits: number, columns: number): Grid => ({ bits, symmetric: true, group: columns, joint: false })

/** Each weight at its nearest code, 2 max |w| / (2^b − 1) apart; (out, in). */
const nearest = (weight: tf.Tensor, bits: number): tf.Tensor => {
  const most = tf.max(tf.abs(weight), 1, true)
  const step = tf.div(tf.mul(tf.where(tf.greater(most, 0), most, tf.onesLike(most)), 2), 2 ** bits - 1)
  const middle = 2 ** (bits - 1)
  return tf.mul(tf.clipByValue(tf.round(tf.div(weight, step)), -middle, middle - 1), step)
}

/**
 * PACT: inputs are clipped at a bound that is trained, and rounded below it; weights are rounded row by row, straight through.
 * y = α / n · round(n clip(x, 0, α) / α), n = 2^b − 1; ∂y/∂α = 1 where x ≥ α and 0 elsewhere; λ α² is added to the loss. Inputs of both
 * signs are clipped at ±α. Throws BAD_OPTION. Choi et al. 2018, https://arxiv.org/abs/1805.06085
 */
export const pact = defineParametrization({
  name: 'pact',
  summary: 'trains the bound at which inputs are clipped and rounded',
  paper: {
    title: 'PACT: Parameterized Clipping Activation for Quantized Neural Networks',
    authors: 'Choi et al.',
    year: 2018,
    url: 'https://arxiv.org/abs/1805.06085',
  },
  differs:
    'bounds begin at the largest input of a first batch; inputs of both signs are clipped on both sides; weights are rounded to the nearest code of their row, where the paper takes DoReFa’s',
  options: {
    bits: integer({ min: 2, max: 8, default: 4, doc: 'bits of a weight’s code' }),
    inputs: integer({ min: 2, max: 8, default: 4, doc: 'bits of an input’s code' }),
    decay: number({ min: 0, max: 1, default: 0.0002, doc: 'λ: what α² costs' }),
  },
  make: ({ bits, inputs, decay }) => ({
    frozen: ['inputLow', 'inputHigh'],
    sees: x => tf.stack([tf.max(tf.abs(x)), tf.min(x)]),
    init: (weight, { seen }) => {
      const [most, least] = seen ? tf.unstack(seen) : [tf.scalar(1), tf.scalar(-1)]
      const { low, high } = levelsFor(least, inputs)
      return { weight, alpha: tf.maximum(most, 1e-3), inputLow: low, inputHigh: high }
    },
    weight: ({ weight }) => through(nearest(weight, bits), weight),
    input: ({ alpha, inputLow, inputHigh }, x) => clippedAt(x, alpha, { low: inputLow, high: inputHigh }),
    penalty: ({ alpha }) => tf.mul(tf.square(alpha), decay) as tf.Scalar,
    constraint: state => ({ ...state, alpha: tf.maximum(state.alpha, 1e-3) }),
    finish: async ({ weight, alpha, inputLow, inputHigh }, place) => {
      const [values, [bound], [high]] = await Promise.all([weight.data<'float32'>(), alpha.data(), inputHigh.data()])
      const made = await affineFrom(values, weight.shape, gridFor(bits, weight.shape[1]!))
      const step = tf.scalar(bound / high)
      try {
        return { weight: made, beside: await gridBeside(place, inputs, step, { low: inputLow }) }
      } finally {
        step.dispose()
      }
    },
  }),
})
