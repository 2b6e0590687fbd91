import { affine } from '@tersor/core'
import { decodeF16, dense, encoded, sizeOf, type Shape } from '@tersor/tensor'
import { BLOCK, type ScaledIntegers, type TreeFormat } from './block-format.js'
import { quantize } from './quantize.js'

const BYTES = 34
const ZERO = 128

const encode = (values: Float32Array): Uint8Array => quantize('quantizeQ8_0', values, BYTES)

const decode = (blocks: Uint8Array): Float32Array => {
  const values = new Float32Array((blocks.length / BYTES) * BLOCK)
  for (let at = 0, to = 0; at < blocks.length; at += BYTES, to += BLOCK) {
    const scale = decodeF16(blocks[at] | (blocks[at + 1] << 8))
    for (let i = 0; i < BLOCK; i++) values[to + i] = scale * ((blocks[at + 2 + i] << 24) >> 24)
  }
  return values
}

const pack = ({ integers, scales }: ScaledIntegers): Uint8Array => {
  const bytes = new Uint8Array(scales.length * BYTES)
  for (let b = 0, at = 0; b < scales.length; b++, at += BYTES) {
    bytes[at] = scales[b] & 0xff
    bytes[at + 1] = scales[b] >>> 8
    bytes.set(new Uint8Array(integers.buffer, integers.byteOffset + b * BLOCK, BLOCK), at + 2)
  }
  return bytes
}

const toTree = (blocks: Uint8Array, shape: Shape) => {
  const codes = new Uint8Array(sizeOf(shape))
  const scales = new Uint8Array((codes.length / BLOCK) * 2)
  for (let at = 0, to = 0, s = 0; at < blocks.length; at += BYTES, to += BLOCK, s += 2) {
    scales[s] = blocks[at]
    scales[s + 1] = blocks[at + 1]
    for (let i = 0; i < BLOCK; i++) codes[to + i] = blocks[at + 2 + i] ^ ZERO
  }
  const parts = {
    data: dense('u8', shape, codes),
    scale: dense('f16', [sizeOf(shape.slice(0, -1)), shape[shape.length - 1] / BLOCK], scales),
  }
  return encoded(affine, shape, parts, { bits: 8, group: BLOCK })
}

/** Eight bits: f16 scale, 32 signed bytes. value = scale · byte; scale = largest magnitude / 127. */
export const Q8_0: TreeFormat = Object.freeze({ lowest: -128, highest: 127, encode, decode, pack, toTree })
