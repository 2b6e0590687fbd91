import * as tf from '@tensorflow/tfjs-core'
import { affineAt, boolean, defineParametrization, roundRows, roundScale, rowGridParameters, scaleDTypeOf } from '@tersor/core'
import { through } from '@tersor/kernels/through'

const SMALLEST = 1e-5
/** Codes of two bits are −2 … 1, or 0 … 3 with zero at 2: three of them are used. */
const MIDDLE = 2

/** γ = mean |w|. */
const sizeOf = (weight: tf.Tensor): tf.Tensor => tf.maximum(tf.mean(tf.abs(weight)), SMALLEST)

/** γ · clip(round(w / γ), −1, 1), γ = mean |w|. */
export const ternary = (weight: tf.Tensor): tf.Tensor => {
  const size = sizeOf(weight)
  return tf.mul(tf.clipByValue(tf.round(tf.div(weight, size)), -1, 1), size)
}

/** Bits of inputs. */
const INPUTS = 8

/**
 * BitNet b1.58: weights are −1, 0 or 1 times one number, from the first step on.
 * ŵ = γ clip(round(w / γ), −1, 1), γ = mean |w|, W: (out, in), straight through; inputs x̂ = s round(x / s), s = max |x| / 127
 * of each token, where asked for, which the network stored in the end does too. Throws BAD_OPTION. Ma et al. 2024, https://arxiv.org/abs/2402.17764
 */
export const bitNet = defineParametrization({
  name: 'bit-net',
  summary: 'trains weights that are −1, 0 or 1 times one number',
  paper: {
    title: 'The Era of 1-bit LLMs: All Large Language Models are in 1.58 Bits',
    authors: 'Ma et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2402.17764',
  },
  differs: 'codes are stored in two bits; inputs are rounded where asked for; norms stay where the network has them',
  options: {
    inputs: boolean({
      default: false,
      doc: 'whether inputs are rounded to 8 bits, token by token, in training and wherever the network runs',
    }),
  },
  make: ({ inputs }) => ({
    ...(inputs && { input: (_state: object, x: tf.Tensor) => roundRows(x, 2 ** (INPUTS - 1) - 1) }),
    init: weight => ({ weight }),
    weight: ({ weight }) => through(ternary(weight), weight),
    finish: async ({ weight }, { site }) => {
      const [values, size] = tf.tidy(() => [ternary(weight), sizeOf(weight)])
      try {
        const [scale] = await size.data<'float32'>()
        const scaleDType = scaleDTypeOf([scale])
        const lines = { scaleDType, scales: Float32Array.of(roundScale(scale, scaleDType)), zeros: Float32Array.of(MIDDLE) }
        const grid = { bits: 2, symmetric: true, group: weight.shape[1]!, joint: true }
        const made = await affineAt(await values.data<'float32'>(), lines, weight.shape, grid) // −1, 0 and 1 alone: −2 is no code of these
        return inputs ? { weight: made, beside: rowGridParameters(site, INPUTS) } : made
      } finally {
        tf.dispose([values, size])
      }
    },
  }),
})
