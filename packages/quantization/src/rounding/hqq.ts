import { affineOf, defineMethod, integer, linesOf, positive } from '@tersor/core'
import { halfQuadratic, shareNumbers } from '@tersor/kernels'

/**
 * Half-quadratic quantization: moves the zero of each group, a half between two codes, to where a p-norm of the error is least.
 * min Σ|E|^p + β/2 · ‖E − (W − s(Q − z))‖²: in turn Q = round(W/s + z), E = shrink(W − s(Q − z)), z = mean(Q − (W − E)/s).
 * W: (out, in), s from the range of the group with 0 in it; no calibration. Throws BAD_OPTION.
 * Badri and Shaji 2023, https://mobiusml.github.io/hqq_blog/
 */
export const hqq = defineMethod({
  name: 'hqq',
  summary: 'moves the zero of each group to where a p-norm of the error is least',
  paper: {
    title: 'Half-Quadratic Quantization of Large Machine Learning Models',
    authors: 'Badri and Shaji',
    year: 2023,
    url: 'https://mobiusml.github.io/hqq_blog/',
  },
  differs:
    'each group stops by itself, and zeros are halves already while they are sought; groups run along rows, and their grid holds 0 at the start',
  options: {
    bits: integer({ min: 1, max: 8, default: 4, doc: 'bits of a code' }),
    group: integer({ min: 1, default: 64, doc: 'columns that share a scale and a zero' }),
    norm: positive({ default: 0.7, doc: 'p: below 1 leaves outliers to their error' }),
    beta: positive({ default: 10, doc: 'how closely E follows the error' }),
    iterations: integer({ min: 0, default: 20, doc: 'steps at most; 0 is rounding to nearest with a zero between codes' }),
  },
  apply: async (weight, { signal, site }, { bits, group: wanted, ...settings }) => {
    const columns = weight.shape[1]
    const group = site.rowsOnly ? columns : Math.min(wanted, columns)
    const values = shareNumbers(await weight.data<'float32'>())
    const { scales, scaleDType } = await linesOf(values, columns, { bits, group, symmetric: false, joint: false }, { signal })
    const solved = await halfQuadratic(values, { ...settings, bits, columns, group, scales }, { signal })
    return affineOf({ shape: weight.shape, bits, group, scales, scaleDType, ...solved })
  },
})
