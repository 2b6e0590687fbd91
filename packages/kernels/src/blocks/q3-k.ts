import { SUPER, type BlockContent } from './block-format.js'
import { packCrumbs, unpackCrumbs } from './pack-2-bit.js'
import { extremeOf, fitSymmetric, refineSymmetric } from './fit-symmetric.js'
import { clamp, nearestInt } from './nearest.js'
import { sumOfSquares, weigh } from './importance-weights.js'
import { GROUP, GROUPS, symmetricSuper, type Room } from './symmetric-super.js'

const { fround } = Math
const HALF = 4
const SCALE_HALF = 32
const CODES = 32
const SCALES = 96

/** Codes the scales so that the extreme one has the first code; returns the scale of scales. */
const codeScales = ({ scales, block: { scaleCodes } }: Room): number => {
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
  for (let j = 0; j < GROUPS; j++) room.scales[j] = refineSymmetric(x, from + j * GROUP, GROUP, HALF, room.block.codes, j * GROUP)
  return codeScales(room)
}

const fitWeighted = (x: Float32Array, from: number, { block, scales, weights, sums }: Room, importance: Float32Array): number => {
  const column = from % importance.length
  const spread = fround(fround(2 * sumOfSquares(x, from, SUPER)) / SUPER)
  for (let j = 0, at = 0; j < GROUPS; j++, at += GROUP) {
    sums[j] = weigh(x, from + at, importance, column + at, spread, GROUP, weights)
    scales[j] = fitSymmetric(x, from + at, GROUP, HALF, weights, 0, block.codes, at)
  }
  return fitSymmetric(scales, 0, GROUPS, SCALE_HALF, sums, 0, block.scaleCodes, 0)
}

/** Third bits: bit b of byte j is that of element 32 b + j. Scales: their low four bits in 8 bytes, their high two in 4. */
const pack = ({ codes, scaleCodes }: BlockContent, index: number, bytes: Uint8Array, at: number): void => {
  for (let i = 0, from = index * SUPER; i < SUPER; i++) bytes[at + (i & 31)] |= (codes[from + i] >> 2) << (i >> 5)
  packCrumbs(codes, index * SUPER, bytes, at + CODES)
  for (let j = 0, from = index * GROUPS; j < GROUPS; j++) {
    bytes[at + SCALES + (j & 7)] |= (scaleCodes[from + j] & 15) << (j < 8 ? 0 : 4)
    bytes[at + SCALES + 8 + (j & 3)] |= (scaleCodes[from + j] >> 4) << (2 * (j >> 2))
  }
}

const unpack = (bytes: Uint8Array, at: number, { codes, scaleCodes }: BlockContent, index: number): void => {
  unpackCrumbs(bytes, at + CODES, codes, index * SUPER)
  for (let i = 0, to = index * SUPER; i < SUPER; i++) codes[to + i] |= ((bytes[at + (i & 31)] >> (i >> 5)) & 1) << 2
  for (let j = 0, to = index * GROUPS; j < GROUPS; j++) {
    const low = (bytes[at + SCALES + (j & 7)] >> (j < 8 ? 0 : 4)) & 15
    const high = (bytes[at + SCALES + 8 + (j & 3)] >> (2 * (j >> 2))) & 3
    scaleCodes[to + j] = low | (high << 4)
  }
}

/** 3.4375 bits: 32 bytes of third bits, 64 bytes of the other two, 12 bytes of 6-bit scales, f16 d. value = d · scale · code. */
export const Q3_K = symmetricSuper({
  bytes: 110,
  half: HALF,
  scaleHalf: SCALE_HALF,
  fit: (x, from, room, importance) => (importance ? fitWeighted(x, from, room, importance) : fitPlain(x, from, room)),
  pack,
  unpack,
})
