import * as tf from '@tensorflow/tfjs-core'
import { columnSquares, withoutGaps } from '@tersor/kernels'
import { defineScore } from './define-score.js'

/**
 * Wanda: keeps the largest |w|·‖x‖₂ of each output row; no weight is changed.
 * score = |W| · √Σ x², W: (out, in), x: (tokens, in). Throws BAD_OPTION, NO_CALIBRATION.
 * Sun et al. 2023, https://arxiv.org/abs/2306.11695
 */
export const wanda = defineScore({
  name: 'wanda',
  summary: 'keeps the largest weight times input norm, row by row',
  paper: {
    title: 'A Simple and Effective Pruning Approach for Large Language Models',
    authors: 'Sun et al.',
    year: 2023,
    url: 'https://arxiv.org/abs/2306.11695',
  },
  differs:
    'the norm is over all tokens at once instead of a mean over sequences, a constant factor; a column that no input reached counts as one of usual inputs, and a layer that none reached is pruned by magnitude',
  within: 'row',
  calibrate: columnSquares,
  score: (weight, { stats }) => tf.mul(tf.abs(weight), tf.sqrt(withoutGaps(stats))),
})
