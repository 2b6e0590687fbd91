import { largestOf } from '@tersor/kernels/vectors'
import { packCodes } from '@tersor/kernels/pack-codes'
import { sizeOf, unpackBits } from '@tersor/tensor'
import { defineCodec } from './define-codec.js'
import { number, numberOf, octets } from './message.js'

/**
 * TernGrad: −1, 0 or 1 times the largest magnitude, by chance so that the mean is right: C(x)ᵢ = max|x| sign(xᵢ) with probability
 * |xᵢ| / max|x|, else 0. n / 4 bytes and 4. Wen et al. 2017, https://arxiv.org/abs/1705.07878
 */
export const ternGrad = defineCodec({
  name: 'tern-grad',
  summary: 'sends −1, 0 or 1 times the largest magnitude, by chance',
  paper: { title: 'TernGrad: Ternary Gradients to Reduce Communication in Distributed Deep Learning', authors: 'Wen et al.', year: 2017, url: 'https://arxiv.org/abs/1705.07878' }, // prettier-ignore
  differs: 'gradients are not clipped at 2.5 standard deviations: put clip before the codec where they have outliers.',
  options: {},
  make: () => ({
    promises: 'unbiased',
    reduce: 'gather',
    layout: shape => ({ codes: { dtype: 'u8', shape: [Math.ceil(sizeOf(shape) / 4)] }, size: { dtype: 'f32', shape: [1] } }),
    encode: async (values, _shape, { own }) => {
      const size = largestOf(values)
      const codes = Uint8Array.from(values, value => (own.uniform() * size < Math.abs(value) ? (value < 0 ? 2 : 1) : 0))
      return { codes: octets(await packCodes(codes, 2)), size: number(size) }
    },
    decode: ({ codes, size }, shape, into) => {
      const largest = numberOf(size)
      const values = [0, largest, -largest]
      unpackBits(codes.bytes, 2, sizeOf(shape)).forEach((code, i) => (into[i] = values[code]))
    },
  }),
})
