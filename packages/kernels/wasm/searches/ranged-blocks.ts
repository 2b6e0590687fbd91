import { halfOf } from '../blocks'
import { capCodes, codeEvenly, fitGroups, fitPositive, recodeGroup } from './affine'
import {
  BYTES,
  CODES,
  floatOf,
  gatherBytes,
  MINIMA,
  MINIMUM_CODES,
  SCALE_CODES,
  SCALES,
  spread,
  SUMS,
  sumOfSquares,
  W,
  weighFour,
  X,
} from './lanes'

const SUPER = 256

/** Weights of the lanes without importance: |x|, or root mean square plus |x|. */
function plainWeights(size: i32, typical: bool): void {
  let sum = f32x4.splat(0)
  const end = (<usize>size) << 4
  for (let at: usize = 0; at < end; at += 16) {
    const value = v128.load(X + at)
    sum = f32x4.add(sum, f32x4.mul(value, value))
  }
  const added = typical ? f32x4.sqrt(f32x4.div(sum, f32x4.splat(<f32>size))) : f32x4.splat(0)
  for (let at: usize = 0; at < end; at += 16) v128.store(W + at, f32x4.add(added, f32x4.abs(v128.load(X + at))))
}

/** Fits all groups of a block; importance: of its first column, or 0. */
function fitBlock(values: usize, size: i32, top: i32, start: f32, step: f32, steps: i32, typical: bool, importance: usize): void {
  const bytes = (<usize>size) << 2
  const factor: f32 = typical ? 2 : 1
  const floor = f32x4.splat(importance ? (factor * sumOfSquares(values, SUPER)) / <f32>SUPER : 0)
  for (let group = 0; group < SUPER / size; group += 4) {
    const offset = <usize>group * bytes
    spread(values + offset, size, 4, X)
    if (importance) {
      spread(importance + offset, size, 4, W)
      v128.store(SUMS + ((<usize>group) << 2), weighFour(size, floor))
      fitGroups(group, size, top, -0.9, 0.05, 36, false)
    } else {
      plainWeights(size, typical)
      fitGroups(group, size, top, start, step, steps, !typical)
    }
    gatherBytes(CODES, size, 4, BYTES + <usize>(group * size))
  }
}

/** Codes scales and minima, and writes the halves of what these count in. */
function codeLines(groups: i32, levels: i32, weighted: bool, to: usize): void {
  const d = weighted ? fitPositive(SCALES, groups, levels, SUMS, SCALE_CODES) : codeEvenly(SCALES, groups, <f32>levels, SCALE_CODES)
  const m = weighted ? fitPositive(MINIMA, groups, levels, SUMS, MINIMUM_CODES) : codeEvenly(MINIMA, groups, <f32>levels, MINIMUM_CODES)
  store<u16>(to, halfOf(d))
  store<u16>(to + 2, halfOf(m))
}

/** The codes once more, for the scales and minima as they are stored; those of vanished scales stay. */
function recode(values: usize, size: i32, top: i32, halves: usize): void {
  const d = floatOf(load<u16>(halves))
  const m = floatOf(load<u16>(halves + 2))
  for (let group = 0; group < SUPER / size; group++) {
    const scale = d * <f32>load<u8>(SCALE_CODES + <usize>group)
    if (scale == 0) continue
    const minimum = m * <f32>load<u8>(MINIMUM_CODES + <usize>group)
    recodeGroup(values + ((<usize>(group * size)) << 2), size, scale, minimum, top, BYTES + <usize>(group * size))
  }
}

/** 256 codes of two bits: in each half, byte j holds elements j, j + 32, j + 64 and j + 96. */
export function packCrumbs(to: usize): void {
  const mask = i8x16.splat(3)
  for (let half: usize = 0; half < 2; half++) {
    for (let at: usize = 0; at < 32; at += 16) {
      const from = BYTES + (half << 7) + at
      let bytes = v128.and(v128.load(from), mask)
      bytes = v128.or(bytes, i8x16.shl(v128.and(v128.load(from + 32), mask), 2))
      bytes = v128.or(bytes, i8x16.shl(v128.and(v128.load(from + 64), mask), 4))
      v128.store(to + (half << 5) + at, v128.or(bytes, i8x16.shl(v128.and(v128.load(from + 96), mask), 6)))
    }
  }
}

/** Byte j of each 32 holds element j of one group in the low half and of the next in the high half. */
function packLow(to: usize): void {
  const mask = i8x16.splat(15)
  for (let pair: usize = 0; pair < 4; pair++) {
    for (let at: usize = 0; at < 32; at += 16) {
      const from = BYTES + (pair << 6) + at
      const high = i8x16.shl(v128.and(v128.load(from + 32), mask), 4)
      v128.store(to + (pair << 5) + at, v128.or(v128.and(v128.load(from), mask), high))
    }
  }
}

/** Bit g of byte j is the fifth bit of element j of group g. */
function packFifths(to: usize): void {
  const one = i8x16.splat(1)
  for (let at: usize = 0; at < 32; at += 16) {
    let bits = i8x16.splat(0)
    for (let group: i32 = 0; group < 8; group++) {
      const fifth = v128.and(i8x16.shr_u(v128.load(BYTES + ((<usize>group) << 5) + at), 4), one)
      bits = v128.or(bits, i8x16.shl(fifth, group))
    }
    v128.store(to + at, bits)
  }
}

/** Eight pairs of six bits in twelve bytes: of the first four whole in the low bits, of the last four their parts. */
function packPairs(to: usize): void {
  for (let i: usize = 0; i < 4; i++) {
    const scale = <u32>load<u8>(SCALE_CODES + 4 + i)
    const minimum = <u32>load<u8>(MINIMUM_CODES + 4 + i)
    store<u8>(to + i, <u8>((<u32>load<u8>(SCALE_CODES + i)) | ((scale >>> 4) << 6)))
    store<u8>(to + 4 + i, <u8>((<u32>load<u8>(MINIMUM_CODES + i)) | ((minimum >>> 4) << 6)))
    store<u8>(to + 8 + i, <u8>((scale & 15) | ((minimum & 15) << 4)))
  }
}

function unpackPairs(from: usize): void {
  for (let i: usize = 0; i < 4; i++) {
    const low = <u32>load<u8>(from + i)
    const middle = <u32>load<u8>(from + 4 + i)
    const shared = <u32>load<u8>(from + 8 + i)
    store<u8>(SCALE_CODES + i, <u8>(low & 63))
    store<u8>(MINIMUM_CODES + i, <u8>(middle & 63))
    store<u8>(SCALE_CODES + 4 + i, <u8>((shared & 15) | ((low >>> 6) << 4)))
    store<u8>(MINIMUM_CODES + 4 + i, <u8>((shared >>> 4) | ((middle >>> 6) << 4)))
  }
}

/** A weight for each of `columns` columns, or none; block `first` is the first one of the values. */
export function importanceOf(importance: usize, columns: i32, block: i64, size: i32): usize {
  return importance == 0 ? 0 : importance + ((<usize>((block * size) % columns)) << 2)
}

/** 84 bytes: 16 bytes of 4-bit scales (low) and minima (high), 64 bytes of codes, f16 d and dmin. */
export function encodeQ2_K(values: usize, blocks: i32, to: usize, importance: usize, columns: i32, first: i32): void {
  for (let block = 0; block < blocks; block++) {
    const weights = importanceOf(importance, columns, <i64>first + block, SUPER)
    fitBlock(values, 16, 3, -0.5, 0.1, 15, false, weights)
    codeLines(16, 15, weights != 0, to + 80)
    for (let i: usize = 0; i < 16; i++) {
      // a scale beyond four bits runs into the minimum
      const byte = <u8>((<u32>load<u8>(SCALE_CODES + i)) | ((<u32>load<u8>(MINIMUM_CODES + i)) << 4))
      store<u8>(to + i, byte)
      store<u8>(SCALE_CODES + i, byte & 15)
      store<u8>(MINIMUM_CODES + i, byte >>> 4)
    }
    recode(values, 16, 3, to + 80)
    packCrumbs(to + 16)
    values += SUPER * 4
    to += 84
  }
}

/** 144 bytes: f16 d and dmin, 8 pairs of 6-bit scales and minima in 12 bytes, 128 bytes of codes. */
export function encodeQ4_K(values: usize, blocks: i32, to: usize, importance: usize, columns: i32, first: i32): void {
  for (let block = 0; block < blocks; block++) {
    const weights = importanceOf(importance, columns, <i64>first + block, SUPER)
    fitBlock(values, 32, 15, -1, 0.1, 20, true, weights)
    codeLines(8, 63, weights != 0, to)
    if (!weights) {
      capCodes(SCALE_CODES, 8, 63)
      capCodes(MINIMUM_CODES, 8, 63)
    }
    // with importance ggml does not cap: large codes run into their neighbours' bits, and the elements follow
    packPairs(to + 4)
    unpackPairs(to + 4)
    recode(values, 32, 15, to)
    packLow(to + 16)
    values += SUPER * 4
    to += 144
  }
}

/** 176 bytes: as Q4_K, with 32 bytes of fifth bits before the others. */
export function encodeQ5_K(values: usize, blocks: i32, to: usize, importance: usize, columns: i32, first: i32): void {
  for (let block = 0; block < blocks; block++) {
    const weights = importanceOf(importance, columns, <i64>first + block, SUPER)
    fitBlock(values, 32, 31, -0.5, 0.1, 15, true, weights)
    codeLines(8, 63, weights != 0, to)
    capCodes(SCALE_CODES, 8, 63)
    capCodes(MINIMUM_CODES, 8, 63)
    packPairs(to + 4)
    recode(values, 32, 31, to)
    packFifths(to + 16)
    packLow(to + 48)
    values += SUPER * 4
    to += 176
  }
}
