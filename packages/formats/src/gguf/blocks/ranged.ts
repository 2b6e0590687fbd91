import { decodeF16, encodeF16 } from '@tersor/tensor'
import { BLOCK, putU16, u16At, type BlockFormat } from './block-format.js'
import { affineRoom, fitAffine, SWEEPS } from './fit-affine.js'
import { packFives, packNibbles, unpackFives, unpackNibbles } from './halves.js'
import { quantize } from './quantize.js'
import { sumOfSquares, weigh } from './spread.js'

const { fround } = Math
const HEAD = 4

interface Layout {
  readonly bytes: number
  readonly top: number
  readonly kernel: 'quantizeQ4_1' | 'quantizeQ5_1'
  pack(codes: ArrayLike<number>, from: number, bytes: Uint8Array, at: number): void
  unpack(bytes: Uint8Array, at: number, codes: Uint8Array): void
}

const encodeWeighted = (values: Float32Array, importance: Float32Array, { bytes: blockBytes, top, pack }: Layout): Uint8Array => {
  const columns = importance.length
  const bytes = new Uint8Array((values.length / BLOCK) * blockBytes)
  const codes = new Uint8Array(BLOCK)
  const room = affineRoom(BLOCK)
  for (let row = 0, at = 0; row < values.length; row += columns) {
    const spread = fround(sumOfSquares(values, row, columns) / columns)
    for (let column = 0; column < columns; column += BLOCK, at += blockBytes) {
      weigh(values, row + column, importance, column, spread, BLOCK, room.weights)
      fitAffine(values, row + column, top, SWEEPS.weighted, room, codes, 0)
      putU16(bytes, at, encodeF16(room.lines[0]))
      putU16(bytes, at + 2, encodeF16(room.lines[1]))
      pack(codes, 0, bytes, at + HEAD)
    }
  }
  return bytes
}

const decode = (blocks: Uint8Array, { bytes, unpack }: Layout): Float32Array => {
  const values = new Float32Array((blocks.length / bytes) * BLOCK)
  const codes = new Uint8Array(BLOCK)
  for (let at = 0, to = 0; at < blocks.length; at += bytes, to += BLOCK) {
    const scale = decodeF16(u16At(blocks, at))
    const minimum = decodeF16(u16At(blocks, at + 2))
    unpack(blocks, at + HEAD, codes)
    for (let i = 0; i < BLOCK; i++) values[to + i] = fround(codes[i] * scale) + minimum
  }
  return values
}

/** Without importance the smallest and largest value stand on the first and last code. */
const ranged = (layout: Layout): BlockFormat =>
  Object.freeze({
    encode: (values: Float32Array, importance?: Float32Array) =>
      importance ? encodeWeighted(values, importance, layout) : quantize(layout.kernel, values, layout.bytes),
    decode: (blocks: Uint8Array) => decode(blocks, layout),
  })

/** Four bits: f16 scale, f16 minimum, 16 bytes as in Q4_0. value = scale · code + minimum. */
export const Q4_1 = ranged({ bytes: 20, top: 15, kernel: 'quantizeQ4_1', pack: packNibbles, unpack: unpackNibbles })

/** Five bits: f16 scale, f16 minimum, 32 fifth bits, 16 bytes as in Q4_0. value = scale · code + minimum. */
export const Q5_1 = ranged({ bytes: 24, top: 31, kernel: 'quantizeQ5_1', pack: packFives, unpack: unpackFives })
