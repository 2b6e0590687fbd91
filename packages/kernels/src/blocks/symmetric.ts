import { decodeF16, encodeF16 } from '@tersor/tensor'
import { BLOCK, contentOf, putU16, u16At, type BlockContent, type BlockFormat } from './block-format.js'
import { fitSymmetric } from './fit-symmetric.js'
import { packBytes, packFives, packNibbles, unpackBytes, unpackFives, unpackNibbles } from './pack-4-bit.js'
import { quantize } from './quantize.js'
import { eachWeighedBlock } from './importance-weights.js'

const HEAD = 2

/** A block type of one f16 scale and codes that count from −half. */
interface Layout {
  readonly bytes: number
  readonly half: number
  readonly kernel: 'quantizeQ4_0' | 'quantizeQ5_0' | 'quantizeQ8_0'
  /** Whether importance is of use. */
  readonly weighted: boolean
  packCodes(codes: Uint8Array, from: number, bytes: Uint8Array, at: number): void
  unpackCodes(bytes: Uint8Array, at: number, codes: Uint8Array, to: number): void
}

const encodeWeighted = (values: Float32Array, importance: Float32Array, { bytes: blockBytes, half, packCodes }: Layout): Uint8Array => {
  const bytes = new Uint8Array((values.length / BLOCK) * blockBytes)
  const codes = new Uint8Array(BLOCK)
  const weights = new Float32Array(BLOCK)
  eachWeighedBlock(values, importance, weights, (from, block) => {
    const at = block * blockBytes
    putU16(bytes, at, encodeF16(fitSymmetric(values, from, BLOCK, half, weights, 0, codes, 0)))
    packCodes(codes, 0, bytes, at + HEAD)
  })
  return bytes
}

/** Without importance the extreme value stands on −half, the others are rounded half up. */
const symmetric = (layout: Layout): BlockFormat => {
  const { bytes: blockBytes, half, kernel, weighted, packCodes, unpackCodes } = layout
  const shape = { block: BLOCK, bytes: blockBytes, ranged: false }
  return Object.freeze<BlockFormat>({
    ...shape,
    pack: ({ codes, scale }, index, bytes, at) => {
      putU16(bytes, at, scale[index])
      packCodes(codes, index * BLOCK, bytes, at + HEAD)
    },
    unpack: (bytes, at, { codes, scale }, index) => {
      scale[index] = u16At(bytes, at)
      unpackCodes(bytes, at + HEAD, codes, index * BLOCK)
    },
    encode: (values, importance) =>
      importance && weighted ? encodeWeighted(values, importance, layout) : quantize(kernel, values, blockBytes),
    decode: blocks => {
      const values = new Float32Array((blocks.length / blockBytes) * BLOCK)
      const { codes }: BlockContent = contentOf(shape)
      for (let at = 0, to = 0; at < blocks.length; at += blockBytes, to += BLOCK) {
        const scale = decodeF16(u16At(blocks, at))
        unpackCodes(blocks, at + HEAD, codes, 0)
        for (let i = 0; i < BLOCK; i++) values[to + i] = scale * (codes[i] - half)
      }
      return values
    },
  })
}

/** 4.5 bits: f16 scale, 16 bytes with elements 0-15 in the low and 16-31 in the high halves. value = scale · (code − 8). */
export const Q4_0 = symmetric({
  ...{ bytes: 18, half: 8, kernel: 'quantizeQ4_0', weighted: true },
  ...{ packCodes: packNibbles, unpackCodes: unpackNibbles },
})

/** 5.5 bits: f16 scale, 32 fifth bits, 16 bytes as in Q4_0. value = scale · (code − 16). */
export const Q5_0 = symmetric({
  ...{ bytes: 22, half: 16, kernel: 'quantizeQ5_0', weighted: true },
  ...{ packCodes: packFives, unpackCodes: unpackFives },
})

/** 8.5 bits: f16 scale, 32 signed bytes. value = scale · byte; scale = largest magnitude / 127. Importance changes nothing. */
export const Q8_0 = symmetric({
  ...{ bytes: 34, half: 128, kernel: 'quantizeQ8_0', weighted: false },
  ...{ packCodes: packBytes, unpackCodes: unpackBytes },
})
