import * as tf from '@tensorflow/tfjs-core'
import { choice, defineMethod } from '@tersor/core'
import { prune, removalOptions } from './prune.js'

/**
 * Magnitude pruning: keeps the largest |w|, compared within each output row or over the whole layer.
 * score = |W|, W: (out, in). Throws BAD_OPTION.
 * Han et al. 2015, https://arxiv.org/abs/1506.02626
 */
export const magnitude = defineMethod({
  name: 'magnitude',
  summary: 'keeps the largest weights',
  paper: {
    title: 'Learning both Weights and Connections for Efficient Neural Networks',
    authors: 'Han et al.',
    year: 2015,
    url: 'https://arxiv.org/abs/1506.02626',
  },
  options: {
    ...removalOptions,
    within: choice(['row', 'layer'], { default: 'layer', doc: 'weights that are compared with each other' }),
  },
  apply: async (weight, job, { sparsity, pattern, within }) => {
    const scores = tf.abs(weight)
    try {
      return await prune(weight, scores, job, { sparsity, pattern, within })
    } finally {
      scores.dispose()
    }
  },
})
