import * as tf from '@tensorflow/tfjs-core'
import { choice } from '@tersor/core'
import { defineScore } from './define-score.js'

/**
 * Magnitude pruning: keeps the largest |w|, compared within each output row or over the whole layer.
 * score = |W|, W: (out, in). Throws BAD_OPTION.
 * Han et al. 2015, https://arxiv.org/abs/1506.02626
 */
export const magnitude = defineScore({
  name: 'magnitude',
  summary: 'keeps the largest weights',
  paper: {
    title: 'Learning both Weights and Connections for Efficient Neural Networks',
    authors: 'Han et al.',
    year: 2015,
    url: 'https://arxiv.org/abs/1506.02626',
  },
  options: { within: choice(['row', 'layer'], { default: 'layer', doc: 'weights that are compared with each other' }) },
  within: ({ within }) => within,
  score: weight => tf.abs(weight),
})
