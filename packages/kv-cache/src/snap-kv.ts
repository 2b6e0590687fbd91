import * as tf from '@tensorflow/tfjs-core'
import { addTensors } from '@tersor/kernels/add-tensors'
import { definePolicy, integer } from '@tersor/core'
import { budgetOptions, refusedBudget } from './budget.js'
import { scored } from './scored.js'

/** The mean of `kernel` neighbours, zeros beyond the ends counted; x: (rows, entries). */
const pooled = (x: tf.Tensor, kernel: number): tf.Tensor => {
  const entries = x.shape[1]!
  const before = Math.floor((kernel - 1) / 2)
  const padded = tf.pad(x, [[0, 0], [before, kernel - 1 - before]]) // prettier-ignore
  const shifted = Array.from({ length: kernel }, (_, shift) => tf.slice(padded, [0, shift], [-1, entries]))
  return tf.div(addTensors(shifted), kernel)
}

/**
 * SnapKV: keeps the window of the last queries and, of what lies before it, what they look at, with its neighbours.
 * s_j = pool(Σ_{i in the window} A_ij), the mean of the query heads that share a key; s: (rows, entries).
 * Throws BAD_OPTION for a budget below sinks and window.
 * Li et al. 2024, https://arxiv.org/abs/2404.14469
 */
export const snapKv = definePolicy({
  name: 'snap-kv',
  summary: 'keeps the newest entries and what they look at, with its neighbours',
  paper: {
    title: 'SnapKV: LLM Knows What You are Looking for Before Generation',
    authors: 'Li et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2404.14469',
  },
  differs: 'query heads that share keys share one choice, by their mean; the released code repeats the keys for each',
  options: {
    ...budgetOptions({ sinks: 0, recent: 32 }),
    pool: integer({ min: 1, max: 63, default: 5, doc: 'neighbours whose mean a score is' }),
  },
  check: refusedBudget,
  make: options => {
    const observed = options.recent < 1 ? 32 : Math.max(1, Math.round(options.recent))
    return scored(options, { lastShares: observed }, ({ lastShares }) => {
      const [, , queries, entries] = lastShares.shape
      const sums = tf.sum(tf.mean(lastShares, 1), 1) // (rows, entries)
      const before = Math.max(0, entries - queries)
      const prefix = tf.slice(sums, [0, 0], [-1, before])
      const own = tf.slice(sums, [0, before], [-1, -1]) // the window itself does not reach into what lies before it
      return before === 0 ? own : tf.concat([pooled(prefix, options.pool), own], 1)
    })
  },
})
