import { defineMethod } from '@tersor/core'
import { affineFrom, checkGrid, codeOf, gridOf, gridOptions, linesOf } from './grid.js'

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
  apply: async (weight, { site }, options) => {
    const [rows, columns] = weight.shape
    const grid = gridOf(options, columns, site)
    const values = await weight.data<'float32'>()
    const lines = linesOf(values, rows, columns, grid)
    const groups = Math.ceil(columns / grid.group)
    const codes = new Uint8Array(values.length)
    for (let row = 0; row < rows; row++) {
      for (let j = 0; j < columns; j++) {
        const line = lines[(grid.joint ? 0 : row * groups) + Math.floor(j / grid.group)]
        codes[row * columns + j] = codeOf(values[row * columns + j], line, grid.bits)
      }
    }
    return affineFrom(codes, lines, rows, columns, grid)
  },
})
