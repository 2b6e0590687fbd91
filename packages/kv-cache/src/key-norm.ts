import * as tf from '@tensorflow/tfjs-core'
import { definePolicy } from '@tersor/core'
import { budgetOptions, refusedBudget } from './budget.js'
import { scored } from './scored.js'

/**
 * Key norm: keeps the entries with short keys, which attention turns to most.
 * s_j = −‖k_j‖₂; s: (rows, entries). Throws BAD_OPTION for a budget below sinks and recent entries.
 * Devoto et al. 2024, https://arxiv.org/abs/2406.11430
 */
export const keyNorm = definePolicy({
  name: 'key-norm',
  summary: 'keeps the entries with the shortest keys',
  paper: {
    title: 'A Simple and Effective L2 Norm-Based Strategy for KV Cache Compression',
    authors: 'Devoto et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2406.11430',
  },
  options: budgetOptions({ sinks: 0, recent: 1 }),
  check: refusedBudget,
  make: options => scored(options, {}, ({ keys }) => tf.neg(tf.norm(keys, 'euclidean', -1))),
})
