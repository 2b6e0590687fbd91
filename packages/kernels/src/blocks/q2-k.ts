import type { BlockContent } from './block-format.js'
import { packCrumbs, unpackCrumbs } from './pack-2-bit.js'
import { SWEEPS } from './fit-affine.js'
import { putScales, rangedSuper, takeScales } from './ranged-super.js'

const GROUP = 16
const GROUPS = 16
const CODES = 16
const D = 80

const weights = (x: Float32Array, from: number, into: Float32Array): void => {
  for (let i = 0; i < GROUP; i++) into[i] = Math.abs(x[from + i])
}

/** Scale and minimum share a byte, and a scale beyond four bits runs into the minimum. */
const settle = ({ scaleCodes, minimumCodes }: BlockContent): void => {
  for (let i = 0; i < GROUPS; i++) {
    const byte = scaleCodes[i] | (minimumCodes[i] << 4)
    scaleCodes[i] = byte & 15
    minimumCodes[i] = (byte >> 4) & 15
  }
}

/** 2.625 bits: 16 bytes of 4-bit scales (low) and minima (high), 64 bytes of codes, f16 d and dmin. */
export const Q2_K = rangedSuper({
  bytes: 84,
  group: GROUP,
  top: 3,
  levels: 15,
  sweep: SWEEPS.q2,
  weights,
  spread: 1,
  settle,
  pack: (content, index, bytes, at) => {
    const { codes, scaleCodes, minimumCodes } = content
    for (let i = 0, j = index * GROUPS; i < GROUPS; i++, j++) bytes[at + i] = scaleCodes[j] | (minimumCodes[j] << 4)
    packCrumbs(codes, index * GROUPS * GROUP, bytes, at + CODES)
    putScales(content, index, bytes, at + D)
  },
  unpack: (bytes, at, content, index) => {
    const { codes, scaleCodes, minimumCodes } = content
    for (let i = 0, j = index * GROUPS; i < GROUPS; i++, j++) {
      scaleCodes[j] = bytes[at + i] & 15
      minimumCodes[j] = bytes[at + i] >>> 4
    }
    unpackCrumbs(bytes, at + CODES, codes, index * GROUPS * GROUP)
    takeScales(bytes, at + D, content, index)
  },
})
