import { choice, defineMethod, scaledOf } from '@tersor/core'
import { absmaxOfRuns, roundToFloat8, shareNumbers } from '@tersor/kernels'
import { decodeF8e4m3, decodeF8e5m2, dense } from '@tersor/tensor'

const FORMATS = {
  e4m3: { dtype: 'f8e4m3', mantissa: 3, bias: 7, largest: decodeF8e4m3(0x7e) }, // 448
  e5m2: { dtype: 'f8e5m2', mantissa: 2, bias: 15, largest: decodeF8e5m2(0x7b) }, // 57344
} as const

/**
 * 8-bit floats: each weight takes the nearest one after division by a scale that puts the largest weight on the largest float.
 * ŵ = s · float8(w / s), s = max|w| / 448 (e4m3) or max|w| / 57344 (e5m2), of a row or of all; W: (out, in), ties to even.
 * Throws BAD_OPTION. Micikevicius et al. 2022, https://arxiv.org/abs/2209.05433
 */
export const fp8 = defineMethod({
  name: 'fp8',
  summary: 'takes the nearest 8-bit float',
  paper: { title: 'FP8 Formats for Deep Learning', authors: 'Micikevicius et al.', year: 2022, url: 'https://arxiv.org/abs/2209.05433' },
  options: {
    format: choice(['e4m3', 'e5m2'], { default: 'e4m3', doc: 'bits of exponent and mantissa' }),
    granularity: choice(['tensor', 'row'], { default: 'row', doc: 'weights that share a scale' }),
  },
  apply: async (weight, { signal }, { format, granularity }) => {
    const { dtype, ...float } = FORMATS[format]
    const columns = weight.shape[1]
    const values = shareNumbers(await weight.data<'float32'>())
    const magnitudes = await absmaxOfRuns(values, { columns, run: columns }, { signal })
    if (granularity === 'tensor') magnitudes.fill(magnitudes.reduce((most, value) => Math.max(most, value), 0))
    const scales = magnitudes.map(most => most / float.largest || 1)
    const codes = await roundToFloat8(values, float, { columns, scales }, { signal })
    return scaledOf(dense(dtype, weight.shape, codes), granularity === 'tensor' ? scales.subarray(0, 1) : scales)
  },
})
