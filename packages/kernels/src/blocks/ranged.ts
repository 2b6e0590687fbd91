import { decodeF16, encodeF16 } from '@tersor/tensor'
import { BLOCK, contentOf, putU16, u16At, type BlockFormat } from './block-format.js'
import { affineRoom, fitAffine, SWEEPS } from './fit-affine.js'
import { packFives, packNibbles, unpackFives, unpackNibbles } from './pack-4-bit.js'
import { quantize } from './quantize.js'
import { eachWeighedBlock } from './importance-weights.js'

const { fround } = Math
const HEAD = 4

interface Layout {
  readonly bytes: number
  readonly top: number
  readonly kernel: 'quantizeQ4_1' | 'quantizeQ5_1'
  packCodes(codes: Uint8Array, from: number, bytes: Uint8Array, at: number): void
  unpackCodes(bytes: Uint8Array, at: number, codes: Uint8Array, to: number): void
}

const encodeWeighted = (values: Float32Array, importance: Float32Array, { bytes: blockBytes, top, packCodes }: Layout): Uint8Array => {
  const bytes = new Uint8Array((values.length / BLOCK) * blockBytes)
  const codes = new Uint8Array(BLOCK)
  const room = affineRoom(BLOCK)
  eachWeighedBlock(values, importance, room.weights, (from, block) => {
    const at = block * blockBytes
    fitAffine(values, from, top, SWEEPS.weighted, room, codes, 0)
    putU16(bytes, at, encodeF16(room.lines[0]))
    putU16(bytes, at + 2, encodeF16(room.lines[1]))
    packCodes(codes, 0, bytes, at + HEAD)
  })
  return bytes
}

/** Without importance the smallest and largest value stand on the first and last code. */
const ranged = (layout: Layout): BlockFormat => {
  const { bytes: blockBytes, kernel, packCodes, unpackCodes } = layout
  const shape = { block: BLOCK, bytes: blockBytes, ranged: true }
  return Object.freeze<BlockFormat>({
    ...shape,
    pack: ({ codes, scale, minimum }, index, bytes, at) => {
      putU16(bytes, at, scale[index])
      putU16(bytes, at + 2, minimum[index])
      packCodes(codes, index * BLOCK, bytes, at + HEAD)
    },
    unpack: (bytes, at, { codes, scale, minimum }, index) => {
      scale[index] = u16At(bytes, at)
      minimum[index] = u16At(bytes, at + 2)
      unpackCodes(bytes, at + HEAD, codes, index * BLOCK)
    },
    encode: (values, importance) => (importance ? encodeWeighted(values, importance, layout) : quantize(kernel, values, blockBytes)),
    decode: blocks => {
      const values = new Float32Array((blocks.length / blockBytes) * BLOCK)
      const { codes } = contentOf(shape)
      for (let at = 0, to = 0; at < blocks.length; at += blockBytes, to += BLOCK) {
        const scale = decodeF16(u16At(blocks, at))
        const minimum = decodeF16(u16At(blocks, at + 2))
        unpackCodes(blocks, at + HEAD, codes, 0)
        for (let i = 0; i < BLOCK; i++) values[to + i] = fround(codes[i] * scale) + minimum
      }
      return values
    },
  })
}

/** 5 bits: f16 scale, f16 minimum, 16 bytes as in Q4_0. value = scale · code + minimum. */
export const Q4_1 = ranged({
  ...{ bytes: 20, top: 15, kernel: 'quantizeQ4_1' },
  ...{ packCodes: packNibbles, unpackCodes: unpackNibbles },
})

/** 6 bits: f16 scale, f16 minimum, 32 fifth bits, 16 bytes as in Q4_0. value = scale · code + minimum. */
export const Q5_1 = ranged({
  ...{ bytes: 24, top: 31, kernel: 'quantizeQ5_1' },
  ...{ packCodes: packFives, unpackCodes: unpackFives },
})
