import { decodeF16, encodeF16 } from '@tersor/tensor'
import { BLOCK, contentOf, putU16, SUPER, u16At, type BlockFormat } from './block-format.js'
import { extremeOf, TINY } from './fit-symmetric.js'
import { packNibbles, unpackNibbles } from './pack-4-bit.js'
import { clamp, nearestInt } from './nearest.js'
import { sumOfSquares, weigh } from './importance-weights.js'

const { fround, abs } = Math

/** What the codes stand for: closer together near zero, as weights are. */
export const IQ4_LEVELS: readonly number[] = Object.freeze([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])
const GRID = Int8Array.from(IQ4_LEVELS)
const LAST = GRID.length - 1
const TRIES = 7
const NL_BYTES = 18
const XS_BYTES = 136
const XS_HEAD = 8
const GROUPS = SUPER / BLOCK
const SCALE_HALF = 32

/** The code of the nearest number of the grid, the upper one of two as near. */
const nearestCode = (value: number): number => {
  if (value <= GRID[0]) return 0
  if (value >= GRID[LAST]) return LAST
  let low = 0
  let high = LAST
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (value < GRID[middle]) high = middle
    else low = middle
  }
  return fround(value - GRID[high - 1]) < fround(GRID[high] - value) ? high - 1 : high
}

/**
 * The scale for a group: the one that puts the extreme value on the last number of the grid, and fifteen that put it near the
 * first, are each refined by weighted least squares; the least weighted error wins. Zero for a group of zeros.
 */
const fitScale = (x: Float32Array, from: number, weights: Float32Array): number => {
  const extreme = extremeOf(x, from, BLOCK)
  if (abs(extreme) < TINY) return 0
  let scale = 0
  let best = 0
  for (let trial = -TRIES - 1; trial <= TRIES; trial++) {
    const isFirst = trial < -TRIES
    const inverse = isFirst ? fround(1 / fround(-extreme / GRID[0])) : fround((trial + GRID[0]) / extreme)
    let xq = 0
    let qq = 0
    for (let i = 0; i < BLOCK; i++) {
      const value = x[from + i]
      const q = GRID[nearestCode(fround(inverse * value))]
      const weighted = fround(weights[i] * q)
      xq = fround(xq + fround(weighted * value))
      qq = fround(qq + fround(weighted * q))
    }
    if (isFirst) scale = qq > 0 ? fround(xq / qq) : 0
    else if (qq > 0 && fround(xq * xq) > fround(best * qq)) scale = fround(xq / qq)
    else continue
    best = fround(scale * xq)
  }
  return scale
}

/**
 * What ggml keeps as quantize_row_iq4_nl_ref, which differs from what ggml_quantize_chunk and so llama-quantize do: the extreme
 * value on the first number of the grid, codes for that, and then the best scale for the codes. For comparison; `IQ4_NL` fits
 * better. Blocks of zeros repeat the codes before them under a scale of zero, as there.
 */
export const encodeIq4NlReference = (values: Float32Array): Uint8Array => {
  const bytes = new Uint8Array((values.length / BLOCK) * NL_BYTES)
  const codes = new Uint8Array(BLOCK)
  for (let from = 0, at = 0; from < values.length; from += BLOCK, at += NL_BYTES) {
    const extreme = extremeOf(values, from, BLOCK)
    if (abs(extreme) >= TINY) {
      round(values, from, fround(extreme / GRID[0]), codes)
      let xq = 0
      let qq = 0
      for (let i = 0; i < BLOCK; i++) {
        const value = values[from + i]
        const weighted = fround(fround(value * value) * GRID[codes[i]])
        xq = fround(xq + fround(weighted * value))
        qq = fround(qq + fround(weighted * GRID[codes[i]]))
      }
      putU16(bytes, at, qq > 0 ? encodeF16(fround(xq / qq)) : 0)
    }
    packNibbles(codes, 0, bytes, at + 2)
  }
  return bytes
}

/** Weights of a group: squares, or importance · √(2 · mean square of the block + x²). */
const fillWeights = (x: Float32Array, from: number, spread: number, weights: Float32Array, importance?: Float32Array): void => {
  if (importance) weigh(x, from, importance, from % importance.length, spread, BLOCK, weights)
  else for (let i = 0; i < BLOCK; i++) weights[i] = x[from + i] * x[from + i]
}

const spreadOf = (x: Float32Array, from: number, size: number): number => fround(sumOfSquares(x, from, size) * (2 / size))

const round = (x: Float32Array, from: number, scale: number, codes: Uint8Array, to = 0): void => {
  const inverse = scale === 0 ? 0 : fround(1 / scale)
  for (let i = 0; i < BLOCK; i++) codes[to + i] = nearestCode(fround(inverse * x[from + i]))
}

const encodeNl = (values: Float32Array, importance?: Float32Array): Uint8Array => {
  const bytes = new Uint8Array((values.length / BLOCK) * NL_BYTES)
  const codes = new Uint8Array(BLOCK)
  const weights = new Float32Array(BLOCK)
  for (let from = 0, at = 0; from < values.length; from += BLOCK, at += NL_BYTES) {
    fillWeights(values, from, spreadOf(values, from, BLOCK), weights, importance)
    const scale = fitScale(values, from, weights)
    round(values, from, scale, codes)
    putU16(bytes, at, encodeF16(scale))
    packNibbles(codes, 0, bytes, at + 2)
  }
  return bytes
}

const NL_SHAPE = Object.freeze({ block: BLOCK, ranged: false })
const XS_SHAPE = Object.freeze({ block: SUPER, group: BLOCK, ranged: false })

/** 4.5 bits: f16 scale, 16 bytes as in Q4_0. value = scale · grid[code]. */
export const IQ4_NL: BlockFormat = Object.freeze<BlockFormat>({
  ...NL_SHAPE,
  bytes: NL_BYTES,
  pack: ({ codes, scale }, index, bytes, at) => {
    putU16(bytes, at, scale[index])
    packNibbles(codes, index * BLOCK, bytes, at + 2)
  },
  unpack: (bytes, at, { codes, scale }, index) => {
    scale[index] = u16At(bytes, at)
    unpackNibbles(bytes, at + 2, codes, index * BLOCK)
  },
  encode: encodeNl,
  decode: blocks => {
    const values = new Float32Array((blocks.length / NL_BYTES) * BLOCK)
    const { codes } = contentOf(NL_SHAPE)
    for (let at = 0, to = 0; at < blocks.length; at += NL_BYTES, to += BLOCK) {
      const scale = decodeF16(u16At(blocks, at))
      unpackNibbles(blocks, at + 2, codes, 0)
      for (let i = 0; i < BLOCK; i++) values[to + i] = scale * GRID[codes[i]]
    }
    return values
  },
})

const packXs: BlockFormat['pack'] = ({ codes, scale, scaleCodes }, index, bytes, at) => {
  putU16(bytes, at, scale[index])
  for (let j = 0, from = index * GROUPS; j < GROUPS; j++, from++) {
    bytes[at + 2 + (j >> 2)] |= (scaleCodes[from] >> 4) << (2 * (j & 3))
    bytes[at + 4 + (j >> 1)] |= (scaleCodes[from] & 15) << (4 * (j & 1))
    packNibbles(codes, from * BLOCK, bytes, at + XS_HEAD + j * (BLOCK / 2))
  }
}

const unpackXs: BlockFormat['unpack'] = (bytes, at, { codes, scale, scaleCodes }, index) => {
  scale[index] = u16At(bytes, at)
  for (let j = 0, to = index * GROUPS; j < GROUPS; j++, to++) {
    const low = (bytes[at + 4 + (j >> 1)] >> (4 * (j & 1))) & 15
    const high = (bytes[at + 2 + (j >> 2)] >> (2 * (j & 3))) & 3
    scaleCodes[to] = low | (high << 4)
    unpackNibbles(bytes, at + XS_HEAD + j * (BLOCK / 2), codes, to * BLOCK)
  }
}

/** The elements are coded for scales that are multiples of the unrounded d. */
const encodeXs = (values: Float32Array, importance?: Float32Array): Uint8Array => {
  const bytes = new Uint8Array((values.length / SUPER) * XS_BYTES)
  const block = contentOf(XS_SHAPE)
  const weights = new Float32Array(BLOCK)
  const scales = new Float32Array(GROUPS)
  for (let from = 0, at = 0; from < values.length; from += SUPER, at += XS_BYTES) {
    const spread = spreadOf(values, from, SUPER)
    for (let j = 0; j < GROUPS; j++) {
      fillWeights(values, from + j * BLOCK, spread, weights, importance)
      scales[j] = fitScale(values, from + j * BLOCK, weights)
    }
    const d = fround(-extremeOf(scales, 0, GROUPS) / SCALE_HALF)
    const inverse = d === 0 ? 0 : fround(1 / d)
    block.scale[0] = encodeF16(d)
    for (let j = 0; j < GROUPS; j++) {
      const code = clamp(nearestInt(fround(inverse * scales[j])), -SCALE_HALF, SCALE_HALF - 1)
      round(values, from + j * BLOCK, fround(d * code), block.codes, j * BLOCK)
      block.scaleCodes[j] = code + SCALE_HALF
    }
    packXs(block, 0, bytes, at)
  }
  return bytes
}

const decodeXs = (blocks: Uint8Array): Float32Array => {
  const values = new Float32Array((blocks.length / XS_BYTES) * SUPER)
  const block = contentOf(XS_SHAPE)
  for (let at = 0, to = 0; at < blocks.length; at += XS_BYTES, to += SUPER) {
    unpackXs(blocks, at, block, 0)
    const d = decodeF16(block.scale[0])
    for (let i = 0; i < SUPER; i++) values[to + i] = fround(d * (block.scaleCodes[i >> 5] - SCALE_HALF)) * GRID[block.codes[i]]
  }
  return values
}

/** 4.25 bits: f16 d, 2 bytes of high pairs of the 8 scales, 4 of their low fours, 128 bytes of codes. value = d · scale · grid[code]. */
export const IQ4_XS: BlockFormat = Object.freeze<BlockFormat>({
  ...{ ...XS_SHAPE, bytes: XS_BYTES, pack: packXs, unpack: unpackXs },
  ...{ encode: encodeXs, decode: decodeXs },
})
