import { packCrumbs, unpackCrumbs } from './crumbs.js'
import { SWEEPS } from './fit-affine.js'
import { putHalves, rangedSuper, takeHalves, type SuperBlock } from './ranged-super.js'

const GROUP = 16
const GROUPS = 16
const CODES = 16
const HALVES = 80

const weights = (x: Float32Array, from: number, into: Float32Array): void => {
  for (let i = 0; i < GROUP; i++) into[i] = Math.abs(x[from + i])
}

/** Scale and minimum share a byte, and a scale beyond four bits runs into the minimum. */
const settle = ({ scales, minima }: SuperBlock): void => {
  for (let i = 0; i < GROUPS; i++) {
    const byte = scales[i] | (minima[i] << 4)
    scales[i] = byte & 15
    minima[i] = (byte >> 4) & 15
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
  pack: (block, bytes, at) => {
    for (let i = 0; i < GROUPS; i++) bytes[at + i] = block.scales[i] | (block.minima[i] << 4)
    packCrumbs(block.codes, bytes, at + CODES)
    putHalves(block, bytes, at + HALVES)
  },
  unpack: (bytes, at, block) => {
    for (let i = 0; i < GROUPS; i++) {
      block.scales[i] = bytes[at + i] & 15
      block.minima[i] = bytes[at + i] >>> 4
    }
    unpackCrumbs(bytes, at + CODES, block.codes)
    takeHalves(bytes, at + HALVES, block)
  },
})
