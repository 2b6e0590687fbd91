import { SUPER, type BlockContent } from './block-format.js'
import { SWEEPS, type Sweep } from './fit-affine.js'
import { putScales, rangedSuper, takeScales, type RangedSuperLayout } from './ranged-super.js'
import { packSixBitPairs, SIX_BIT_PAIRS_BYTES, unpackSixBitPairs } from './six-bit-pairs.js'
import { sumOfSquares } from './importance-weights.js'

const { fround, abs, sqrt, min } = Math
const GROUP = 32
const GROUPS = 8
const LEVELS = 63
const PAIRS = 4
const HEAD = 16

/** Root mean square plus magnitude. */
const weights = (x: Float32Array, from: number, into: Float32Array): void => {
  const typical = fround(sqrt(fround(sumOfSquares(x, from, GROUP) / GROUP)))
  for (let i = 0; i < GROUP; i++) into[i] = typical + abs(x[from + i])
}

const cap = ({ scaleCodes, minimumCodes }: BlockContent): void => {
  for (let i = 0; i < GROUPS; i++) {
    scaleCodes[i] = min(LEVELS, scaleCodes[i])
    minimumCodes[i] = min(LEVELS, minimumCodes[i])
  }
}

/** With an importance matrix ggml's Q4_K does not cap: large codes then run into their neighbours' bits, and the elements follow. */
const overflow = ({ scaleCodes, minimumCodes }: BlockContent): void => {
  if (scaleCodes.every(code => code <= LEVELS) && minimumCodes.every(code => code <= LEVELS)) return
  const pairs = new Uint8Array(SIX_BIT_PAIRS_BYTES)
  packSixBitPairs(scaleCodes, minimumCodes, 0, pairs, 0)
  unpackSixBitPairs(pairs, 0, scaleCodes, minimumCodes, 0)
}

/** The 4-bit parts: byte j of each 32 holds element j of one group in the low half and of the next in the high half. */
const packLow = (codes: Uint8Array, start: number, bytes: Uint8Array, at: number): void => {
  for (let from = start, to = at; from < start + SUPER; from += 2 * GROUP)
    for (let i = from; i < from + GROUP; i++, to++) bytes[to] = (codes[i] & 15) | ((codes[i + GROUP] & 15) << 4)
}

const unpackLow = (bytes: Uint8Array, at: number, codes: Uint8Array, start: number): void => {
  for (let to = start, from = at; to < start + SUPER; to += 2 * GROUP)
    for (let i = to; i < to + GROUP; i++, from++) {
      codes[i] = bytes[from] & 15
      codes[i + GROUP] = bytes[from] >>> 4
    }
}

/** The fifth bits: bit g of byte j is that of element j of group g. */
const packHigh = (codes: Uint8Array, start: number, bytes: Uint8Array, at: number): void => {
  for (let i = 0; i < SUPER; i++) bytes[at + (i % GROUP)] |= (codes[start + i] >> 4) << (i >> 5)
}

const unpackHigh = (bytes: Uint8Array, at: number, codes: Uint8Array, start: number): void => {
  for (let i = 0; i < SUPER; i++) codes[start + i] |= ((bytes[at + (i % GROUP)] >> (i >> 5)) & 1) << 4
}

const putHead = (content: BlockContent, index: number, bytes: Uint8Array, at: number): void => {
  putScales(content, index, bytes, at)
  packSixBitPairs(content.scaleCodes, content.minimumCodes, index * GROUPS, bytes, at + PAIRS)
}

const takeHead = (bytes: Uint8Array, at: number, content: BlockContent, index: number): void => {
  takeScales(bytes, at, content, index)
  unpackSixBitPairs(bytes, at + PAIRS, content.scaleCodes, content.minimumCodes, index * GROUPS)
}

const shared = (top: number, sweep: Sweep): Pick<RangedSuperLayout, 'group' | 'top' | 'levels' | 'sweep' | 'weights' | 'spread'> => ({
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
  pack: (content, index, bytes, at) => {
    putHead(content, index, bytes, at)
    packLow(content.codes, index * SUPER, bytes, at + HEAD)
  },
  unpack: (bytes, at, content, index) => {
    takeHead(bytes, at, content, index)
    unpackLow(bytes, at + HEAD, content.codes, index * SUPER)
  },
})

/** 5.5 bits: as Q4_K, with 32 bytes of fifth bits before the others. */
export const Q5_K = rangedSuper({
  ...shared(31, SWEEPS.q5),
  bytes: 176,
  settle: cap,
  pack: (content, index, bytes, at) => {
    putHead(content, index, bytes, at)
    packHigh(content.codes, index * SUPER, bytes, at + HEAD)
    packLow(content.codes, index * SUPER, bytes, at + HEAD + GROUP)
  },
  unpack: (bytes, at, content, index) => {
    takeHead(bytes, at, content, index)
    unpackLow(bytes, at + HEAD + GROUP, content.codes, index * SUPER)
    unpackHigh(bytes, at + HEAD, content.codes, index * SUPER)
  },
})
