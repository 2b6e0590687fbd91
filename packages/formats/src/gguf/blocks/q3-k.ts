import { decodeF16, encodeF16 } from '@tersor/tensor'
import { putU16, SUPER, u16At, type BlockFormat } from './block-format.js'
import { packCrumbs, unpackCrumbs } from './crumbs.js'
import { extremeOf, fitSymmetric, refineSymmetric } from './fit-symmetric.js'
import { clamp, nearestInt } from './nearest.js'
import { sumOfSquares, weigh } from './spread.js'

const { fround } = Math
const BYTES = 110
const GROUP = 16
const GROUPS = 16
const HALF = 4
const SCALE_HALF = 32
const CODES = 32
const SCALES = 96
const D = 108

/** A scale and codes from −4 for each group, then 6-bit codes from −32 for the scales. */
interface Room {
  readonly codes: Int8Array
  readonly scales: Float32Array
  readonly scaleCodes: Int8Array
  readonly weights: Float32Array
  readonly sums: Float32Array
}

/** Codes the scales so that the extreme one has the first code; returns the scale of scales. */
const codeScales = ({ scales, scaleCodes }: Room): number => {
  const extreme = extremeOf(scales, 0, GROUPS)
  if (extreme === 0) {
    scaleCodes.fill(0)
    return 0
  }
  const inverse = fround(-SCALE_HALF / extreme)
  for (let j = 0; j < GROUPS; j++) {
    const byte = (nearestInt(fround(inverse * scales[j])) << 24) >> 24
    scaleCodes[j] = clamp(byte, -SCALE_HALF, SCALE_HALF - 1) + SCALE_HALF
  }
  return fround(1 / inverse)
}

const fitPlain = (x: Float32Array, from: number, room: Room): number => {
  for (let j = 0; j < GROUPS; j++) room.scales[j] = refineSymmetric(x, from + j * GROUP, GROUP, HALF, room.codes, j * GROUP)
  return codeScales(room)
}

const fitWeighted = (x: Float32Array, from: number, room: Room, importance: Float32Array, column: number): number => {
  const { codes, scales, scaleCodes, weights, sums } = room
  const spread = fround(fround(2 * sumOfSquares(x, from, SUPER)) / SUPER)
  for (let j = 0, at = 0; j < GROUPS; j++, at += GROUP) {
    sums[j] = weigh(x, from + at, importance, column + at, spread, GROUP, weights)
    scales[j] = fitSymmetric(x, from + at, GROUP, HALF, weights, 0, codes, at)
  }
  return fitSymmetric(scales, 0, GROUPS, SCALE_HALF, sums, 0, scaleCodes, 0)
}

/** The codes once more, for the scales as they are stored; those of vanished scales stay. */
const recode = (x: Float32Array, from: number, { codes, scaleCodes }: Room, d: number): void => {
  for (let j = 0; j < GROUPS; j++) {
    const scale = fround(d * (scaleCodes[j] - SCALE_HALF))
    if (scale === 0) continue
    for (let i = j * GROUP; i < (j + 1) * GROUP; i++) codes[i] = clamp(nearestInt(fround(x[from + i] / scale)), -HALF, HALF - 1) + HALF
  }
}

/** Third bits: bit b of byte j is that of element 32 b + j. Scales: their low four bits in 8 bytes, their high two in 4. */
const pack = ({ codes, scaleCodes }: Room, bytes: Uint8Array, at: number): void => {
  for (let i = 0; i < SUPER; i++) bytes[at + (i & 31)] |= (codes[i] >> 2) << (i >> 5)
  packCrumbs(codes, bytes, at + CODES)
  for (let j = 0; j < GROUPS; j++) {
    bytes[at + SCALES + (j & 7)] |= (scaleCodes[j] & 15) << (j < 8 ? 0 : 4)
    bytes[at + SCALES + 8 + (j & 3)] |= (scaleCodes[j] >> 4) << (2 * (j >> 2))
  }
}

const encode = (values: Float32Array, importance?: Float32Array): Uint8Array => {
  const bytes = new Uint8Array((values.length / SUPER) * BYTES)
  const room: Room = {
    codes: new Int8Array(SUPER),
    scales: new Float32Array(GROUPS),
    scaleCodes: new Int8Array(GROUPS),
    weights: new Float32Array(GROUP),
    sums: new Float32Array(GROUPS),
  }
  for (let from = 0, at = 0; from < values.length; from += SUPER, at += BYTES) {
    const d = encodeF16(importance ? fitWeighted(values, from, room, importance, from % importance.length) : fitPlain(values, from, room))
    recode(values, from, room, decodeF16(d))
    pack(room, bytes, at)
    putU16(bytes, at + D, d)
  }
  return bytes
}

const decode = (blocks: Uint8Array): Float32Array => {
  const values = new Float32Array((blocks.length / BYTES) * SUPER)
  const codes = new Uint8Array(SUPER)
  for (let at = 0, to = 0; at < blocks.length; at += BYTES, to += SUPER) {
    const d = decodeF16(u16At(blocks, at + D))
    unpackCrumbs(blocks, at + CODES, codes)
    for (let i = 0; i < SUPER; i++) {
      const j = i >> 4
      const low = (blocks[at + SCALES + (j & 7)] >> (j < 8 ? 0 : 4)) & 15
      const high = (blocks[at + SCALES + 8 + (j & 3)] >> (2 * (j >> 2))) & 3
      const third = (blocks[at + (i & 31)] >> (i >> 5)) & 1
      values[to + i] = fround(d * ((low | (high << 4)) - SCALE_HALF)) * (codes[i] + (third << 2) - HALF)
    }
  }
  return values
}

/** 3.4375 bits: 32 bytes of third bits, 64 bytes of the other two, 12 bytes of 6-bit scales, f16 d. value = d · scale · code. */
export const Q3_K: BlockFormat = Object.freeze({ encode, decode })
