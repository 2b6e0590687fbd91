import { choice, defineMethod, scaledOf } from '@tersor/core'
import { decodeF8e4m3, decodeF8e5m2, dense, encodeF8e4m3, encodeF8e5m2 } from '@tersor/tensor'

const FORMATS = {
  e4m3: { dtype: 'f8e4m3', encode: encodeF8e4m3, largest: decodeF8e4m3(0x7e) }, // 448
  e5m2: { dtype: 'f8e5m2', encode: encodeF8e5m2, largest: decodeF8e5m2(0x7b) }, // 57344
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
  apply: async (weight, _job, { format, granularity }) => {
    const { dtype, encode, largest } = FORMATS[format]
    const values = await weight.data<'float32'>()
    const run = granularity === 'row' ? weight.shape[1] : values.length
    const scales = new Float32Array(values.length / run)
    const codes = new Uint8Array(values.length)
    for (let r = 0; r < scales.length; r++) {
      let most = 0
      for (let i = r * run; i < (r + 1) * run; i++) most = Math.max(most, Math.abs(values[i]))
      scales[r] = most / largest || 1
      for (let i = r * run; i < (r + 1) * run; i++) codes[i] = encode(Math.min(largest, Math.max(-largest, values[i] / scales[r])))
    }
    return scaledOf(dense(dtype, weight.shape, codes), scales)
  },
})
