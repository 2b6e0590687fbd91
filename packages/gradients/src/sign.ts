import { packSigns, sumOfMagnitudes, unpackSigns } from '@tersor/kernels/vectors'
import { sizeOf } from '@tersor/tensor'
import { defineCodec } from './define-codec.js'
import { number, numberOf, octets } from './message.js'

/**
 * Sign: one bit a number and their mean magnitude, C(x) = (‖x‖₁ / n) sign x; δ = ‖x‖₁² / (n ‖x‖²). ⌈n / 8⌉ + 4 bytes.
 * Karimireddy et al. 2019, https://arxiv.org/abs/1901.09847; the sign of 0 is +.
 */
export const sign = defineCodec({
  name: 'sign',
  summary: 'sends one bit a number, and the mean magnitude',
  paper: { title: 'Error Feedback Fixes SignSGD and other Gradient Compression Schemes', authors: 'Karimireddy et al.', year: 2019, url: 'https://arxiv.org/abs/1901.09847' }, // prettier-ignore
  options: {},
  make: () => ({
    promises: 'contractive',
    reduce: 'gather',
    layout: shape => ({ bits: { dtype: 'u8', shape: [Math.ceil(sizeOf(shape) / 8)] }, size: { dtype: 'f32', shape: [1] } }),
    encode: values => ({ bits: octets(packSigns(values)), size: number(sumOfMagnitudes(values) / values.length) }),
    decode: ({ bits, size }, _shape, into) => unpackSigns(bits.bytes, numberOf(size), into),
  }),
})
