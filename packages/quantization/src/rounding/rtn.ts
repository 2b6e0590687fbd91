import { affineFrom, defineMethod } from '@tersor/core'
import { checkGrid, gridOf, gridOptions } from './grid.js'

/**
 * Round to nearest: each weight takes the closest code of its group's grid; the baseline of every other method.
 * ŵ = scale · (clamp(round(w / scale) + zero, 0, 2^b − 1) − zero), W: (out, in), ties to even. Throws BAD_OPTION.
 * Jacob et al. 2017, https://arxiv.org/abs/1712.05877 (the affine grid)
 */
export const rtn = defineMethod({
  name: 'rtn',
  summary: 'rounds each weight to the nearest code',
  paper: {
    title: 'Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference',
    authors: 'Jacob et al.',
    year: 2017,
    url: 'https://arxiv.org/abs/1712.05877',
  },
  options: gridOptions,
  check: checkGrid,
  apply: async (weight, { signal, site }, options) => {
    const grid = gridOf(options, weight.shape[1], site)
    return affineFrom(await weight.data<'float32'>(), weight.shape, grid, { signal })
  },
})
