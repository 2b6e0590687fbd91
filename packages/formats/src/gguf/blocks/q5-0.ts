import { affine } from '@tersor/core'
import { decodeF16, dense, encoded, packBits, type Shape, sizeOf } from '@tersor/tensor'
import { BLOCK, putU16, u16At, type ScaledIntegers, type TreeFormat } from './block-format.js'
import { packFives, unpackFives } from './halves.js'
import { encodeSymmetric } from './symmetric.js'

const BYTES = 22
const HEAD = 2
const ZERO = 16
const LAYOUT = Object.freeze({ bytes: BYTES, half: ZERO, kernel: 'quantizeQ5_0' as const, pack: packFives })

const decode = (blocks: Uint8Array): Float32Array => {
  const values = new Float32Array((blocks.length / BYTES) * BLOCK)
  const codes = new Uint8Array(BLOCK)
  for (let at = 0, to = 0; at < blocks.length; at += BYTES, to += BLOCK) {
    const scale = decodeF16(u16At(blocks, at))
    unpackFives(blocks, at + HEAD, codes)
    for (let i = 0; i < BLOCK; i++) values[to + i] = scale * (codes[i] - ZERO)
  }
  return values
}

const pack = ({ integers, scales }: ScaledIntegers): Uint8Array => {
  const bytes = new Uint8Array(scales.length * BYTES)
  const codes = Uint8Array.from(integers, integer => integer + ZERO)
  for (let b = 0; b < scales.length; b++) {
    putU16(bytes, b * BYTES, scales[b])
    packFives(codes, b * BLOCK, bytes, b * BYTES + HEAD)
  }
  return bytes
}

const toTree = (blocks: Uint8Array, shape: Shape) => {
  const size = sizeOf(shape)
  const codes = new Uint8Array(size)
  const scales = new Uint8Array((size / BLOCK) * 2)
  for (let at = 0, to = 0, s = 0; at < blocks.length; at += BYTES, to += BLOCK, s += 2) {
    scales[s] = blocks[at]
    scales[s + 1] = blocks[at + 1]
    unpackFives(blocks, at + HEAD, codes.subarray(to, to + BLOCK))
  }
  const parts = {
    data: dense('u5', shape, packBits(codes, 5)),
    scale: dense('f16', [sizeOf(shape.slice(0, -1)), shape[shape.length - 1] / BLOCK], scales),
  }
  return encoded(affine, shape, parts, { bits: 5, group: BLOCK })
}

/** Five bits: f16 scale, 32 fifth bits, 16 bytes as in Q4_0. value = scale · (code − 16). */
export const Q5_0: TreeFormat = Object.freeze({
  lowest: -16,
  highest: 15,
  encode: (values: Float32Array, importance?: Float32Array) => encodeSymmetric(values, importance, LAYOUT),
  decode,
  pack,
  toTree,
})
