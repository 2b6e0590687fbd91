import { defineMethod, fraction, maskedOf } from '@tersor/core'
import { sizeOf } from '@tersor/tensor'

/**
 * Random pruning: removes each weight with the same chance; the baseline that every score must beat.
 * mask ~ Bernoulli(1 − sparsity), W: (out, in). Throws BAD_OPTION.
 * Liu et al. 2022, https://arxiv.org/abs/2202.02643
 */
export const randomPruning = defineMethod({
  name: 'random-pruning',
  summary: 'removes weights by chance',
  paper: {
    title: 'The Unreasonable Effectiveness of Random Pruning',
    authors: 'Liu et al.',
    year: 2022,
    url: 'https://arxiv.org/abs/2202.02643',
  },
  options: { sparsity: fraction({ default: 0.5, doc: 'chance of a weight to be removed' }) },
  apply: (_weight, { current, rng }, { sparsity }) =>
    maskedOf(
      Uint8Array.from({ length: sizeOf(current.shape) }, () => (rng.uniform() < sparsity ? 0 : 1)),
      current,
    ),
})
