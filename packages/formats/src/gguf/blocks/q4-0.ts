import { affine } from '@tersor/core'
import { decodeF16, dense, encoded, sizeOf, type Shape } from '@tersor/tensor'
import { BLOCK, type ScaledIntegers, type TreeFormat } from './block-format.js'
import { packNibbles } from './halves.js'
import { encodeSymmetric } from './symmetric.js'

const BYTES = 18
const HALF = BLOCK / 2
const ZERO = 8

const LAYOUT = Object.freeze({ bytes: BYTES, half: ZERO, kernel: 'quantizeQ4_0' as const, pack: packNibbles })

const encode = (values: Float32Array, importance?: Float32Array): Uint8Array => encodeSymmetric(values, importance, LAYOUT)

const decode = (blocks: Uint8Array): Float32Array => {
  const values = new Float32Array((blocks.length / BYTES) * BLOCK)
  for (let at = 0, to = 0; at < blocks.length; at += BYTES, to += BLOCK) {
    const scale = decodeF16(blocks[at] | (blocks[at + 1] << 8))
    for (let i = 0; i < HALF; i++) {
      values[to + i] = scale * ((blocks[at + 2 + i] & 15) - ZERO)
      values[to + HALF + i] = scale * ((blocks[at + 2 + i] >>> 4) - ZERO)
    }
  }
  return values
}

const pack = ({ integers, scales }: ScaledIntegers): Uint8Array => {
  const bytes = new Uint8Array(scales.length * BYTES)
  for (let b = 0, from = 0, at = 0; b < scales.length; b++, from += BLOCK, at += BYTES) {
    bytes[at] = scales[b] & 0xff
    bytes[at + 1] = scales[b] >>> 8
    for (let i = 0; i < HALF; i++) bytes[at + 2 + i] = (integers[from + i] + ZERO) | ((integers[from + HALF + i] + ZERO) << 4)
  }
  return bytes
}

/** A block holds element i beside element i + 16, a tree element i beside i + 1. */
const toTree = (blocks: Uint8Array, shape: Shape) => {
  const size = sizeOf(shape)
  const codes = new Uint8Array(size / 2)
  const scales = new Uint8Array((size / BLOCK) * 2)
  for (let at = 0, to = 0, s = 0; at < blocks.length; at += BYTES, to += HALF, s += 2) {
    scales[s] = blocks[at]
    scales[s + 1] = blocks[at + 1]
    for (let i = 0; i < HALF; i += 2) {
      const first = blocks[at + 2 + i]
      const second = blocks[at + 3 + i]
      codes[to + i / 2] = (first & 15) | ((second & 15) << 4)
      codes[to + HALF / 2 + i / 2] = (first >>> 4) | (second & 0xf0)
    }
  }
  const parts = {
    data: dense('u4', shape, codes),
    scale: dense('f16', [sizeOf(shape.slice(0, -1)), shape[shape.length - 1] / BLOCK], scales),
  }
  return encoded(affine, shape, parts, { bits: 4, group: BLOCK })
}

/** Four bits: f16 scale, 16 bytes with elements 0-15 in the low and 16-31 in the high halves. value = scale · (code − 8). */
export const Q4_0: TreeFormat = Object.freeze({ lowest: -8, highest: 7, encode, decode, pack, toTree })
