import { halfOf } from '../blocks'
import {
  BYTES,
  clamp,
  extremeFour,
  extremeOf,
  nearest,
  SCALE_CODES,
  SCALES,
  spread,
  squareFour,
  sumOfSquares,
  W,
  weighFour,
  X,
} from './lanes'
import { importanceOf } from './ranged-blocks'
import { TINY } from './symmetric'

const SUPER = 256
const BLOCK = 32
const LAST = 15
/** Levels of the grid: −127 −104 −83 −65 −49 −35 −22 −10 1 13 25 38 53 69 89 113; halfway between neighbours, and how far these are apart. */
const FIRST: f32 = -127
const MIDDLES: StaticArray<f32> = [-115.5, -93.5, -74, -57, -42, -28.5, -16, -4.5, 7, 19, 31.5, 45.5, 61, 79, 101]
const STEPS: StaticArray<f32> = [23, 21, 18, 16, 14, 13, 12, 11, 12, 12, 13, 15, 16, 20, 24]

/** The nearest numbers of the grid, the upper one of two as near. */
function levelsFour(v: v128): v128 {
  let level = f32x4.splat(FIRST)
  for (let i = 0; i < LAST; i++) {
    const below = f32x4.lt(v, f32x4.splat(unchecked(MIDDLES[i])))
    level = f32x4.add(level, v128.andnot(f32x4.splat(unchecked(STEPS[i])), below))
  }
  return level
}

/** Their codes. */
function codesFour(v: v128): v128 {
  let code = i32x4.splat(LAST)
  for (let i = 0; i < LAST; i++) code = i32x4.add(code, f32x4.lt(v, f32x4.splat(unchecked(MIDDLES[i]))))
  return code
}

/** The scale for the group in each lane: the one that puts the extreme value on the last number, and fifteen that put it near the first, refined by least squares. */
function fitScaleFour(): v128 {
  const extreme = extremeFour(BLOCK)
  const zeros = f32x4.lt(f32x4.abs(extreme), f32x4.splat(TINY))
  const zero = f32x4.splat(0)
  let scale = zero
  let best = zero
  for (let trial = -8; trial <= 7; trial++) {
    const isFirst = trial == -8
    const inverse = isFirst
      ? f32x4.div(f32x4.splat(1), f32x4.div(f32x4.neg(extreme), f32x4.splat(FIRST)))
      : f32x4.div(f32x4.splat(<f32>trial + FIRST), extreme)
    let xq = zero
    let qq = zero
    for (let at: usize = 0; at < (<usize>BLOCK) << 4; at += 16) {
      const value = v128.load(X + at)
      const q = levelsFour(f32x4.mul(inverse, value))
      const weighted = f32x4.mul(v128.load(W + at), q)
      xq = f32x4.add(xq, f32x4.mul(weighted, value))
      qq = f32x4.add(qq, f32x4.mul(weighted, q))
    }
    const solvable = f32x4.gt(qq, zero)
    const better = v128.and(solvable, f32x4.gt(f32x4.mul(xq, xq), f32x4.mul(best, qq)))
    const wins = isFirst ? i32x4.splat(-1) : better
    scale = v128.bitselect(v128.and(f32x4.div(xq, qq), solvable), scale, wins)
    best = v128.bitselect(f32x4.mul(scale, xq), best, wins)
  }
  return v128.andnot(scale, zeros)
}

/** Codes of 32 values for a scale, into bytes. */
function round(x: usize, scale: f32, to: usize): void {
  const inverse = f32x4.splat(scale == 0 ? 0 : 1 / scale)
  for (let i: usize = 0; i < <usize>BLOCK; i += 4) {
    const words = i16x8.narrow_i32x4_s(codesFour(f32x4.mul(inverse, v128.load(x + (i << 2)))), i32x4.splat(0))
    store<u32>(to + i, i32x4.extract_lane(i8x16.narrow_i16x8_u(words, words), 0))
  }
}

/** Element j in the low half of byte j, element j + 16 in the high half. */
function packNibbles(codes: usize, to: usize): void {
  v128.store(to, v128.or(v128.load(codes), i8x16.shl(v128.load(codes + 16), 4)))
}

/** 18 bytes: f16 scale, 16 bytes of codes. */
export function encodeIq4_NL(values: usize, blocks: i32, to: usize, importance: usize, columns: i32, first: i32): void {
  for (let block = 0; block < blocks; block += 4) {
    const count = min(4, blocks - block)
    spread(values, BLOCK, count, X)
    let floor = f32x4.splat(0)
    for (let lane = 0; importance && lane < count; lane++) {
      const weights = importanceOf(importance, columns, <i64>first + block + lane, BLOCK)
      for (let i: usize = 0; i < <usize>BLOCK; i++) store<f32>(W + (i << 4) + ((<usize>lane) << 2), load<f32>(weights + (i << 2)))
      store<f32>(SCALES + ((<usize>lane) << 2), sumOfSquares(values + ((<usize>lane) << 7), BLOCK) * <f32>0.0625)
    }
    if (importance) {
      floor = v128.load(SCALES)
      weighFour(BLOCK, floor)
    } else squareFour(BLOCK)
    v128.store(SCALES, fitScaleFour())
    for (let lane = 0; lane < count; lane++) {
      const scale = load<f32>(SCALES + ((<usize>lane) << 2))
      round(values, scale, BYTES)
      store<u16>(to, halfOf(scale))
      packNibbles(BYTES, to + 2)
      values += BLOCK * 4
      to += 18
    }
  }
}

/** 136 bytes: f16 d, 2 bytes of high pairs of the 8 scales, 4 of their low fours, 128 of codes for multiples of the unrounded d. */
export function encodeIq4_XS(values: usize, blocks: i32, to: usize, importance: usize, columns: i32, first: i32): void {
  for (let block = 0; block < blocks; block++) {
    const weights = importanceOf(importance, columns, <i64>first + block, SUPER)
    const floor = f32x4.splat(weights ? sumOfSquares(values, SUPER) * <f32>0.0078125 : 0)
    for (let group: usize = 0; group < 8; group += 4) {
      spread(values + (group << 7), BLOCK, 4, X)
      if (weights) {
        spread(weights + (group << 7), BLOCK, 4, W)
        weighFour(BLOCK, floor)
      } else squareFour(BLOCK)
      v128.store(SCALES + (group << 2), fitScaleFour())
    }
    const d: f32 = -extremeOf(SCALES, 8) / 32
    const inverse: f32 = d == 0 ? 0 : 1 / d
    store<u16>(to, halfOf(d))
    for (let j: usize = 0; j < 8; j++) {
      const code = clamp(nearest(inverse * load<f32>(SCALES + (j << 2))), -32, 31)
      round(values + (j << 7), d * <f32>code, BYTES)
      packNibbles(BYTES, to + 8 + (j << 4))
      store<u8>(SCALE_CODES + j, <u8>(code + 32))
    }
    let high: u32 = 0
    for (let j: usize = 0; j < 8; j++) high |= ((<u32>load<u8>(SCALE_CODES + j)) >>> 4) << (2 * <u32>j)
    store<u16>(to + 2, <u16>high)
    for (let j: usize = 0; j < 4; j++)
      store<u8>(to + 4 + j, <u8>((load<u8>(SCALE_CODES + 2 * j) & 15) | (load<u8>(SCALE_CODES + 2 * j + 1) << 4)))
    values += SUPER * 4
    to += 136
  }
}
