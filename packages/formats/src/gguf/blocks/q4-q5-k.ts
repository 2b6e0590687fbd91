import { SUPER } from './block-format.js'
import { SWEEPS, type Sweep } from './fit-affine.js'
import { putHalves, rangedSuper, takeHalves, type SuperBlock, type SuperLayout } from './ranged-super.js'
import { packSixBitPairs, SIX_BIT_PAIRS_BYTES, unpackSixBitPairs } from './six-bit-pairs.js'
import { sumOfSquares } from './spread.js'

const { fround, abs, sqrt, min } = Math
const GROUP = 32
const LEVELS = 63
const PAIRS = 4
const HEAD = 16

/** Root mean square plus magnitude. */
const weights = (x: Float32Array, from: number, into: Float32Array): void => {
  const typical = fround(sqrt(fround(sumOfSquares(x, from, GROUP) / GROUP)))
  for (let i = 0; i < GROUP; i++) into[i] = typical + abs(x[from + i])
}

const cap = ({ scales, minima }: SuperBlock): void => {
  for (let i = 0; i < scales.length; i++) {
    scales[i] = min(LEVELS, scales[i])
    minima[i] = min(LEVELS, minima[i])
  }
}

/** With an importance matrix ggml's Q4_K does not cap: large codes then run into their neighbours' bits, and the elements follow. */
const overflow = ({ scales, minima }: SuperBlock): void => {
  if (scales.every(code => code <= LEVELS) && minima.every(code => code <= LEVELS)) return
  const pairs = new Uint8Array(SIX_BIT_PAIRS_BYTES)
  packSixBitPairs(scales, minima, pairs, 0)
  unpackSixBitPairs(pairs, 0, scales, minima)
}

/** The 4-bit parts: byte j of each 32 holds element j of one group in the low half and of the next in the high half. */
const packLow = ({ codes }: SuperBlock, bytes: Uint8Array, at: number): void => {
  for (let from = 0, to = at; from < SUPER; from += 2 * GROUP)
    for (let i = from; i < from + GROUP; i++, to++) bytes[to] = (codes[i] & 15) | ((codes[i + GROUP] & 15) << 4)
}

const unpackLow = (bytes: Uint8Array, at: number, { codes }: SuperBlock): void => {
  for (let to = 0, from = at; to < SUPER; to += 2 * GROUP)
    for (let i = to; i < to + GROUP; i++, from++) {
      codes[i] = bytes[from] & 15
      codes[i + GROUP] = bytes[from] >>> 4
    }
}

/** The fifth bits: bit g of byte j is that of element j of group g. */
const packHigh = ({ codes }: SuperBlock, bytes: Uint8Array, at: number): void => {
  bytes.fill(0, at, at + GROUP)
  for (let i = 0; i < SUPER; i++) bytes[at + (i % GROUP)] |= (codes[i] >> 4) << (i >> 5)
}

const unpackHigh = (bytes: Uint8Array, at: number, { codes }: SuperBlock): void => {
  for (let i = 0; i < SUPER; i++) codes[i] |= ((bytes[at + (i % GROUP)] >> (i >> 5)) & 1) << 4
}

const putHead = (block: SuperBlock, bytes: Uint8Array, at: number): void => {
  putHalves(block, bytes, at)
  packSixBitPairs(block.scales, block.minima, bytes, at + PAIRS)
}

const takeHead = (bytes: Uint8Array, at: number, block: SuperBlock): void => {
  takeHalves(bytes, at, block)
  unpackSixBitPairs(bytes, at + PAIRS, block.scales, block.minima)
}

const shared = (top: number, sweep: Sweep): Pick<SuperLayout, 'group' | 'top' | 'levels' | 'sweep' | 'weights' | 'spread'> => ({
  group: GROUP,
  top,
  levels: LEVELS,
  sweep,
  weights,
  spread: 2,
})

/** 4.5 bits: f16 d and dmin, 8 pairs of 6-bit scales and minima in 12 bytes, 128 bytes of codes. */
export const Q4_K = rangedSuper({
  ...shared(15, SWEEPS.q4),
  bytes: 144,
  settle: (block, weighted) => (weighted ? overflow(block) : cap(block)),
  pack: (block, bytes, at) => {
    putHead(block, bytes, at)
    packLow(block, bytes, at + HEAD)
  },
  unpack: (bytes, at, block) => {
    takeHead(bytes, at, block)
    unpackLow(bytes, at + HEAD, block)
  },
})

/** 5.5 bits: as Q4_K, with 32 bytes of fifth bits before the others. */
export const Q5_K = rangedSuper({
  ...shared(31, SWEEPS.q5),
  bytes: 176,
  settle: cap,
  pack: (block, bytes, at) => {
    putHead(block, bytes, at)
    packHigh(block, bytes, at + HEAD)
    packLow(block, bytes, at + HEAD + GROUP)
  },
  unpack: (bytes, at, block) => {
    takeHead(bytes, at, block)
    unpackLow(bytes, at + HEAD + GROUP, block)
    unpackHigh(bytes, at + HEAD, block)
  },
})
