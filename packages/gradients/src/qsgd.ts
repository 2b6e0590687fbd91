import { integer } from '@tersor/core'
import { sumOfSquares } from '@tersor/kernels/vectors'
import { packCodes } from '@tersor/kernels/pack-codes'
import { sizeOf, unpackBits } from '@tersor/tensor'
import { defineCodec } from './define-codec.js'
import { floats, floatsOf, octets } from './message.js'

/** Blocks of so many numbers, the last of which may be shorter. */
const blocksOf = (length: number, block: number): number => Math.ceil(length / block)

/**
 * QSGD: each number of a block becomes one of s levels of the block's norm, up or down by chance so that the mean is right:
 * C(x)ᵢ = ‖x‖ sign(xᵢ) l / s with l = ⌊s |xᵢ| / ‖x‖⌋ or one more. bits · n / 8 bytes, sign included, and 4 a block; s = 2^(bits − 1) − 1.
 * Alistarh et al. 2017, https://arxiv.org/abs/1610.02132. Differs from the paper: codes of a fixed width in the place of Elias codes.
 * Throws BAD_OPTION.
 */
export const qsgd = defineCodec({
  name: 'qsgd',
  summary: 'rounds numbers by chance to levels of their norm',
  paper: { title: 'QSGD: Communication-Efficient SGD via Gradient Quantization and Encoding', authors: 'Alistarh et al.', year: 2017, url: 'https://arxiv.org/abs/1610.02132' }, // prettier-ignore
  differs: 'codes have a fixed width in the place of Elias codes, so that both sides know the length of a message.',
  options: {
    bits: integer({ min: 2, max: 8, default: 4, doc: 'bits a number, its sign included' }),
    block: integer({ min: 8, default: 512, doc: 'numbers that share a norm' }),
  },
  make: ({ bits, block }) => {
    const levels = 2 ** (bits - 1) - 1
    return {
      promises: 'unbiased',
      reduce: 'gather',
      layout: shape => ({
        codes: { dtype: 'u8', shape: [Math.ceil((sizeOf(shape) * bits) / 8)] },
        norms: { dtype: 'f32', shape: [blocksOf(sizeOf(shape), block)] },
      }),
      encode: async (values, _shape, { own }) => {
        const norms = Float32Array.from({ length: blocksOf(values.length, block) }, (_, b) =>
          Math.sqrt(sumOfSquares(values.subarray(b * block, (b + 1) * block))),
        )
        const codes = Uint8Array.from(values, (value, i) => {
          const norm = norms[Math.floor(i / block)]
          const level = norm > 0 ? Math.min(levels, Math.floor((levels * Math.abs(value)) / norm + own.uniform())) : 0
          return value < 0 ? levels + 1 + level : level
        })
        return { codes: octets(await packCodes(codes, bits)), norms: floats(norms) }
      },
      decode: ({ codes, norms }, shape, into) => {
        const sizes = floatsOf(norms)
        unpackBits(codes.bytes, bits, sizeOf(shape)).forEach((code, i) => {
          const level = code > levels ? levels + 1 - code : code
          into[i] = (sizes[Math.floor(i / block)] * level) / levels
        })
      },
    }
  },
})
