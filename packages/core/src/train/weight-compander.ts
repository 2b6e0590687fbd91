import * as tf from '@tensorflow/tfjs-core'
import { fromFloat32 } from '@tersor/tensor'
import { boolean, positive } from '../step/options.js'
import { defineParametrization } from './define-term.js'

/** Weights that are all smaller are bounded as if one was as large as this. */
const SMALLEST = 1e-6

/** a · arctan(v / b): within ± a π / 2, with the slope a / b at 0; a and b broadcast. */
export const companded = (v: tf.Tensor, a: tf.Tensor | number, b: tf.Tensor | number): tf.Tensor => tf.mul(tf.atan(tf.div(v, b)), a)

/** Where a weight stands before: b · tan(w / a). */
export const expanded = (w: tf.Tensor, a: tf.Tensor | number, b: tf.Tensor | number): tf.Tensor => tf.mul(tf.tan(tf.div(w, a)), b)

/**
 * Weight Compander: what is trained is bent before it is a weight, so that none grows large and few stay near 0; reconstructed from the abstract.
 * ŵ = a arctan(v / b), v₀ = b tan(w₀ / a), a = 2 / π · reach · max |w₀|, b = a / slope, W: (out, in). Throws BAD_OPTION.
 * Cakaj et al. 2023, https://arxiv.org/abs/2306.16993
 */
export const weightCompander = defineParametrization({
  name: 'weight-compander',
  summary: 'trains weights through a bounded curve, so that none grows large and few stay near 0',
  paper: {
    title: 'Weight Compander: A Simple Weight Reparameterization for Regularization',
    authors: 'Cakaj et al.',
    year: 2023,
    url: 'https://arxiv.org/abs/2306.16993',
  },
  differs: 'reconstructed from the abstract: the curve, its start and what is learned of it are ours',
  options: {
    reach: positive({ default: 2, doc: 'the largest weight that can be learned, in units of the largest at the beginning; above 1' }),
    slope: positive({ default: 1.1, doc: 'a / b: how much faster than what is trained a weight moves at 0' }),
    learned: boolean({ default: false, doc: 'whether a and b of each site are trained too' }),
  },
  check: ({ reach }) => (reach > 1 ? undefined : [`reach = ${reach} leaves no room above the largest weight.`, 'Pass a number above 1.']),
  make: ({ reach, slope, learned }) => ({
    ...(learned ? {} : { frozen: ['logA', 'logB'] }),
    init: weight => {
      const a = tf.mul(tf.maximum(tf.max(tf.abs(weight)), SMALLEST), (2 / Math.PI) * reach)
      const b = tf.div(a, slope)
      return { v: expanded(weight, a, b), logA: tf.log(a), logB: tf.log(b) }
    },
    weight: ({ v, logA, logB }) => companded(v, tf.exp(logA), tf.exp(logB)),
    finish: async ({ v, logA, logB }, { dtype }) => {
      const weight = tf.tidy(() => companded(v, tf.exp(logA), tf.exp(logB)))
      try {
        return fromFloat32(await weight.data<'float32'>(), dtype, weight.shape)
      } finally {
        weight.dispose()
      }
    },
  }),
})
