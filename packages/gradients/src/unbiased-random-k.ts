import { defineCodec } from './define-codec.js'
import { checkDensity, densityOptions, overDrawnPlaces, sparsifiedSgd } from './drawn-places.js'

/**
 * Random-k times n / k: unbiased, with ω = n / k − 1, for methods that need it. 4 k bytes.
 * Stich et al. 2018, https://arxiv.org/abs/1809.07599. Throws BAD_OPTION.
 */
export const unbiasedRandomK = defineCodec({
  name: 'unbiased-random-k',
  summary: 'sends numbers at random places, enlarged so that their mean is right',
  paper: sparsifiedSgd,
  options: densityOptions,
  check: checkDensity,
  make: ({ density }) => ({ promises: 'unbiased', ...overDrawnPlaces(density, (n, k) => n / k) }),
})
