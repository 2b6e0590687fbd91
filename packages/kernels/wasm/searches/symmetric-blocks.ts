import { halfOf } from '../blocks'
import {
  BYTES,
  clamp,
  CODES,
  extremeOf,
  floatOf,
  gatherBytes,
  nearest,
  SCALE_CODES,
  SCALES,
  spread,
  squareFour,
  SUMS,
  sumOfSquares,
  W,
  weighFour,
  X,
} from './lanes'
import { importanceOf, packCrumbs } from './ranged-blocks'
import { fitSymmetricFour, recodeSymmetric, refineSymmetricFour, TINY } from './symmetric'

const SUPER = 256
const GROUP = 16
const GROUPS = 16

/** The codes once more, for the scales as they are stored; those of vanished scales stay. */
function recode(values: usize, half: i32, scaleHalf: i32, d: f32): void {
  for (let group = 0; group < GROUPS; group++) {
    const scale = d * <f32>(<i32>load<u8>(SCALE_CODES + <usize>group) - scaleHalf)
    if (scale == 0) continue
    recodeSymmetric(values + ((<usize>group) << 6), GROUP, scale, half, BYTES + ((<usize>group) << 4))
  }
}

function codeByte(i: usize): u32 {
  return <u32>load<u8>(SCALE_CODES + i)
}

/** Codes the scales of Q3_K so that the extreme one has the first code; gives the scale of scales. */
function codeThrees(): f32 {
  const extreme = extremeOf(SCALES, GROUPS)
  if (extreme == 0) {
    memory.fill(SCALE_CODES, 0, GROUPS)
    return 0
  }
  const inverse: f32 = -32 / extreme
  for (let j: usize = 0; j < <usize>GROUPS; j++) {
    const byte = <i32>(<i8>nearest(inverse * load<f32>(SCALES + (j << 2))))
    store<u8>(SCALE_CODES + j, <u8>(clamp(byte, -32, 31) + 32))
  }
  return 1 / inverse
}

/** Codes the scales of Q3_K by a weighted search, one lane of four. */
function searchThrees(): f32 {
  spread(SCALES, GROUPS, 1, X)
  spread(SUMS, GROUPS, 1, W)
  const scale = f32x4.extract_lane(fitSymmetricFour(GROUPS, 32), 0)
  gatherBytes(CODES, GROUPS, 1, SCALE_CODES)
  return scale
}

function fitThrees(values: usize, importance: usize): f32 {
  const floor = f32x4.splat(importance ? (2 * sumOfSquares(values, SUPER)) / <f32>SUPER : 0)
  for (let group: usize = 0; group < <usize>GROUPS; group += 4) {
    spread(values + (group << 6), GROUP, 4, X)
    if (importance) {
      spread(importance + (group << 6), GROUP, 4, W)
      v128.store(SUMS + (group << 2), weighFour(GROUP, floor))
    }
    v128.store(SCALES + (group << 2), importance ? fitSymmetricFour(GROUP, 4) : refineSymmetricFour(GROUP, 4))
    gatherBytes(CODES, GROUP, 4, BYTES + (group << 4))
  }
  return importance ? searchThrees() : codeThrees()
}

/** Bit b of byte j is the third bit of element 32 b + j. */
function packThirds(to: usize): void {
  const one = i8x16.splat(1)
  for (let at: usize = 0; at < 32; at += 16) {
    let bits = i8x16.splat(0)
    for (let b: i32 = 0; b < 8; b++)
      bits = v128.or(bits, i8x16.shl(v128.and(i8x16.shr_u(v128.load(BYTES + ((<usize>b) << 5) + at), 2), one), b))
    v128.store(to + at, bits)
  }
}

/** 110 bytes: 32 of third bits, 64 of the other two, 12 of 6-bit scales, f16 d. */
export function encodeQ3_K(values: usize, blocks: i32, to: usize, importance: usize, columns: i32, first: i32): void {
  for (let block = 0; block < blocks; block++) {
    const d = halfOf(fitThrees(values, importanceOf(importance, columns, <i64>first + block, SUPER)))
    recode(values, 4, 32, floatOf(d))
    packThirds(to)
    packCrumbs(to + 32)
    for (let j: usize = 0; j < 8; j++) store<u8>(to + 96 + j, <u8>((codeByte(j) & 15) | ((codeByte(j + 8) & 15) << 4)))
    for (let j: usize = 0; j < 4; j++) {
      const low = (codeByte(j) >>> 4) | ((codeByte(j + 4) >>> 4) << 2)
      store<u8>(to + 104 + j, <u8>(low | ((codeByte(j + 8) >>> 4) << 4) | ((codeByte(j + 12) >>> 4) << 6)))
    }
    store<u16>(to + 108, d)
    values += SUPER * 4
    to += 110
  }
}

/** A scale and codes from −32 for each group of Q6_K; its weights are the importance alone, or the squares. */
function fitSixes(values: usize, importance: usize): f32 {
  for (let group: usize = 0; group < <usize>GROUPS; group += 4) {
    spread(values + (group << 6), GROUP, 4, X)
    if (importance) spread(importance + (group << 6), GROUP, 4, W)
    else squareFour(GROUP)
    v128.store(SCALES + (group << 2), fitSymmetricFour(GROUP, 32))
    gatherBytes(CODES, GROUP, 4, BYTES + (group << 4))
  }
  const extreme = extremeOf(SCALES, GROUPS)
  if (abs(extreme) < TINY) {
    memory.fill(BYTES, 0, SUPER)
    memory.fill(SCALE_CODES, 128, GROUPS)
    return 0
  }
  const inverse: f32 = -128 / extreme
  for (let j: usize = 0; j < <usize>GROUPS; j++)
    store<u8>(SCALE_CODES + j, <u8>(min(127, nearest(inverse * load<f32>(SCALES + (j << 2)))) + 128))
  return 1 / inverse
}

/** In each half of 128, element j lies beside j + 64 and j + 32 beside j + 96; the high pairs of bits of all four share a byte. */
function packSixes(to: usize): void {
  const mask = i8x16.splat(15)
  for (let half: usize = 0; half < 2; half++) {
    for (let at: usize = 0; at < 32; at += 16) {
      const from = BYTES + (half << 7) + at
      const a = v128.load(from)
      const b = v128.load(from + 32)
      const c = v128.load(from + 64)
      const d = v128.load(from + 96)
      v128.store(to + (half << 6) + at, v128.or(v128.and(a, mask), i8x16.shl(v128.and(c, mask), 4)))
      v128.store(to + (half << 6) + at + 32, v128.or(v128.and(b, mask), i8x16.shl(v128.and(d, mask), 4)))
      const low = v128.or(i8x16.shr_u(a, 4), i8x16.shl(i8x16.shr_u(b, 4), 2))
      const high = v128.or(i8x16.shl(i8x16.shr_u(c, 4), 4), i8x16.shl(i8x16.shr_u(d, 4), 6))
      v128.store(to + 128 + (half << 5) + at, v128.or(low, high))
    }
  }
}

/** 210 bytes: 128 of low fours, 64 of high pairs, 16 signed scales, f16 d. */
export function encodeQ6_K(values: usize, blocks: i32, to: usize, importance: usize, columns: i32, first: i32): void {
  for (let block = 0; block < blocks; block++) {
    const d = halfOf(fitSixes(values, importanceOf(importance, columns, <i64>first + block, SUPER)))
    recode(values, 32, 128, floatOf(d))
    packSixes(to)
    v128.store(to + 192, v128.xor(v128.load(SCALE_CODES), i8x16.splat(-128)))
    store<u16>(to + 208, d)
    values += SUPER * 4
    to += 210
  }
}
