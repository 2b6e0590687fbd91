import * as tf from '@tensorflow/tfjs-core'
import { affineAt, boolean, defineParametrization, roundScale, scaleDTypeOf } from '@tersor/core'
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

/** Each row of inputs at 8 bits, by its largest: (…, in). */
const byRows = (x: tf.Tensor): tf.Tensor => {
  const step = tf.div(tf.maximum(tf.max(tf.abs(x), -1, true), SMALLEST), 127)
  return tf.mul(tf.round(tf.div(x, step)), step)
}

/**
 * BitNet b1.58: weights are −1, 0 or 1 times one number, from the first step on.
 * ŵ = γ clip(round(w / γ), −1, 1), γ = mean |w|, W: (out, in), straight through. Throws BAD_OPTION. Ma et al. 2024, https://arxiv.org/abs/2402.17764
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
  differs:
    'codes are stored in two bits; inputs are rounded while training alone, since no form of ours holds a step for each token; norms stay where the network has them',
  options: { inputs: boolean({ default: false, doc: 'whether inputs are rounded to 8 bits, token by token, while training' }) },
  make: ({ inputs }) => ({
    ...(inputs && { input: (_state: object, x: tf.Tensor) => through(byRows(x), x) }),
    init: weight => ({ weight }),
    weight: ({ weight }) => through(ternary(weight), weight),
    finish: async ({ weight }) => {
      const [values, size] = tf.tidy(() => [ternary(weight), sizeOf(weight)])
      try {
        const [scale] = await size.data<'float32'>()
        const scaleDType = scaleDTypeOf([scale])
        const lines = { scaleDType, scales: Float32Array.of(roundScale(scale, scaleDType)), zeros: Float32Array.of(MIDDLE) }
        const grid = { bits: 2, symmetric: true, group: weight.shape[1]!, joint: true }
        return await affineAt(await values.data<'float32'>(), lines, weight.shape, grid) // −1, 0 and 1 alone: −2 is no code of these
      } finally {
        tf.dispose([values, size])
      }
    },
  }),
})
