import { defineCodec } from './define-codec.js'
import { checkDensity, densityOptions, overDrawnPlaces, sparsifiedSgd } from './drawn-places.js'

/**
 * Random-k: sends k numbers at places that all workers draw alike, which therefore do not travel and sums need not be decoded; δ = k / n.
 * 4 k bytes. Stich et al. 2018, https://arxiv.org/abs/1809.07599. Throws BAD_OPTION.
 */
export const randomK = defineCodec({
  name: 'random-k',
  summary: 'sends numbers at places that all workers draw alike',
  paper: sparsifiedSgd,
  options: densityOptions,
  check: checkDensity,
  make: ({ density }) => ({ promises: 'contractive', ...overDrawnPlaces(density, () => 1) }),
})
