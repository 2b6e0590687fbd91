import { defineMethod } from '@tersor/core'
import { roundToLines, shareNumbers } from '@tersor/kernels'
import { affineFrom, checkGrid, gridOf, gridOptions, linesOf } from './grid.js'

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
    const [rows, columns] = weight.shape
    const grid = gridOf(options, columns, site)
    const values = shareNumbers(await weight.data<'float32'>())
    const lines = await linesOf(values, columns, grid, { signal })
    const codes = await roundToLines(
      values,
      {
        ...{ columns, run: grid.group, bits: grid.bits },
        scales: Float32Array.from(lines, ({ scale }) => scale),
        zeros: Float32Array.from(lines, ({ zero }) => zero),
      },
      { signal },
    )
    return affineFrom(codes, lines, rows, columns, grid)
  },
})
