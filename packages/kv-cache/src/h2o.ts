import { choice, definePolicy } from '@tersor/core'
import { budgetOptions, refusedBudget } from './budget.js'
import { scored } from './scored.js'

/**
 * H2O: keeps the newest entries and the heavy hitters, which took most of the attention so far.
 * s_j = Σ_i A_ij / #{i that see j}, A the shares, the mean of the query heads that share a key; s: (rows, entries).
 * Throws BAD_OPTION for a budget below sinks and recent entries.
 * Zhang et al. 2023, https://arxiv.org/abs/2306.14048
 */
export const h2o = definePolicy({
  name: 'h2o',
  summary: 'keeps the newest entries and those that took most of the attention so far',
  paper: {
    title: 'H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large Language Models',
    authors: 'Zhang et al.',
    year: 2023,
    url: 'https://arxiv.org/abs/2306.14048',
  },
  differs: 'sums are divided by the number of queries that saw an entry, since plain ones favour the beginning; like=paper leaves them',
  options: {
    ...budgetOptions({ sinks: 0, recent: 0.5 }),
    like: choice(['counts', 'paper'], { default: 'counts', doc: 'whether sums of shares are divided by the queries that saw an entry' }),
  },
  check: refusedBudget,
  make: options =>
    scored(options, { shares: Infinity }, ({ shares: { sums, counts } }) =>
      options.like === 'paper' ? sums : sums.map((sum, entry) => sum / Math.max(1, counts[entry])),
    ),
})
