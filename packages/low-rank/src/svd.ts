import { defineMethod, integer, required } from '@tersor/core'
import { factoredFrom, truncate } from './truncate.js'

/**
 * Truncated SVD: the closest matrix of a rank, kept as two factors.
 * W ≈ (U_r √Σ_r)(√Σ_r V_rᵀ), W: (out, in), factors (out, rank) and (rank, in). Throws BAD_OPTION.
 * Eckart and Young 1936, https://doi.org/10.1007/BF02288367
 */
export const svd = defineMethod({
  name: 'svd',
  summary: 'takes the closest matrix of a rank, kept as two factors',
  paper: {
    title: 'The Approximation of One Matrix by Another of Lower Rank',
    authors: 'Eckart and Young',
    year: 1936,
    url: 'https://doi.org/10.1007/BF02288367',
  },
  options: { rank: required(integer({ min: 1, doc: 'singular values kept, at most the smaller side of the weight' })) },
  apply: async (weight, { dtype }, { rank }) => {
    const [rows, columns] = weight.shape
    return factoredFrom(dtype, await truncate(await weight.data<'float32'>(), rows, columns, rank), rows, columns)
  },
})
