import * as tf from '@tensorflow/tfjs-core'
import { definePolicy } from '@tersor/core'
import { budgetOptions, refusedBudget } from './budget.js'
import { scored } from './scored.js'

/**
 * TOVA: keeps what the last token looks at.
 * s_j = A_nj, n the last query, the mean of the query heads that share a key; s: (rows, entries).
 * Throws BAD_OPTION for a budget below sinks and recent entries.
 * Oren et al. 2024, https://arxiv.org/abs/2401.06104
 */
export const tova = definePolicy({
  name: 'tova',
  summary: 'keeps what the last token looks at',
  paper: {
    title: 'Transformers are Multi-State RNNs',
    authors: 'Oren et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2401.06104',
  },
  differs: 'each key head chooses by the query heads that share it, where the paper takes the mean of all heads of a layer',
  options: budgetOptions({ sinks: 0, recent: 1 }),
  check: refusedBudget,
  make: options => scored(options, { lastShares: 1 }, ({ lastShares }) => tf.mean(tf.squeeze(lastShares, [2]), 1)),
})
