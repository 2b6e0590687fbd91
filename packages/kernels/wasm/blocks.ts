/** Quantizers of GGUF's blocks of 32 values, bit for bit as ggml's own: the same float32 operations in the same order. */

import { largestLane } from './vectors'

/** The nearest half-precision number, ties to even, as its code. */
export function halfOf(value: f32): u16 {
  const bits = reinterpret<u32>(value)
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return <u16>(((bits >>> 16) & 0x8000) | 0x7e00)
  const sign = (bits >>> 16) & 0x8000
  if (magnitude >= 0x477ff000) return <u16>(sign | 0x7c00)
  // the float32 spacing at 0.5 is 2⁻²⁴, that of subnormal halves: the addition rounds
  if (magnitude < 0x38800000) return <u16>(sign | (reinterpret<u32>(abs(value) + 0.5) - 0x3f000000))
  return <u16>(sign | ((magnitude - (112 << 23) + 0xfff + ((magnitude >>> 13) & 1)) >>> 13))
}

/** 1 / scale; 0 for 0. Where that overflows it is NaN, so that every code becomes 0, which ggml's conversions of infinity give. */
function inverseOf(scale: f32): f32 {
  if (scale == 0) return 0
  const inverse: f32 = 1 / scale
  return abs(inverse) == Infinity ? NaN : inverse
}

/** The largest magnitude of 32 values; NaN counts as nothing. */
function magnitudeOf(x: usize): f32 {
  let most = f32x4.splat(0)
  for (let at: usize = 0; at < 128; at += 16) most = f32x4.pmax(most, f32x4.abs(v128.load(x + at)))
  return largestLane(most)
}

/** The first of 32 values that is `value`, or with `sign` cleared of 1 bits has that magnitude; 0 where there is none. */
function firstLike(x: usize, value: f32, kept: i32): f32 {
  const wanted = f32x4.splat(value)
  const bits = i32x4.splat(kept)
  for (let at: usize = 0; at < 128; at += 16) {
    const found = i32x4.bitmask(f32x4.eq(v128.and(v128.load(x + at), bits), wanted))
    if (found != 0) return load<f32>(x + at + ((<usize>ctz(found)) << 2))
  }
  return 0
}

/** Codes of 16 values: min(top, trunc((x − origin) · inverse + shift)). */
function codesOf(x: usize, origin: v128, inverse: v128, shift: v128, top: v128): v128 {
  const first = codesOfFour(x, origin, inverse, shift, top)
  const second = codesOfFour(x + 16, origin, inverse, shift, top)
  const third = codesOfFour(x + 32, origin, inverse, shift, top)
  const fourth = codesOfFour(x + 48, origin, inverse, shift, top)
  return i8x16.narrow_i16x8_s(i16x8.narrow_i32x4_s(first, second), i16x8.narrow_i32x4_s(third, fourth))
}

function codesOfFour(x: usize, origin: v128, inverse: v128, shift: v128, top: v128): v128 {
  const steps = f32x4.add(f32x4.mul(f32x4.sub(v128.load(x), origin), inverse), shift)
  return i32x4.min_s(i32x4.trunc_sat_f32x4_s(steps), top)
}

/** Element j in the low half of byte j, element j + 16 in the high half. */
function storeNibbles(to: usize, low: v128, high: v128): void {
  const mask = i8x16.splat(15)
  v128.store(to, v128.or(v128.and(low, mask), i8x16.shl(v128.and(high, mask), 4)))
}

/** The fifth bits of 32 codes, then the nibbles. */
function storeFives(to: usize, low: v128, high: v128): void {
  const fifths = i8x16.bitmask(i8x16.shl(low, 3)) | (i8x16.bitmask(i8x16.shl(high, 3)) << 16)
  store<u32>(to, fifths)
  storeNibbles(to + 4, low, high)
}

/** One scale a block, the extreme value on −half; `five` says whether codes have five bits or four. */
function quantizeSymmetric(values: usize, blocks: i32, to: usize, half: f32, five: bool): void {
  const zero = f32x4.splat(0)
  const shift = f32x4.splat(half + 0.5)
  const top = i32x4.splat(<i32>(half * 2) - 1)
  for (let block = 0; block < blocks; block++) {
    const magnitude = magnitudeOf(values)
    const scale: f32 = (magnitude == 0 ? 0 : firstLike(values, magnitude, 0x7fffffff)) / -half
    const inverse = f32x4.splat(inverseOf(scale))
    store<u16>(to, halfOf(scale))
    const low = codesOf(values, zero, inverse, shift, top)
    const high = codesOf(values + 64, zero, inverse, shift, top)
    if (five) storeFives(to + 2, low, high)
    else storeNibbles(to + 2, low, high)
    values += 128
    to += five ? 22 : 18
  }
}

/** Scale and smallest value a block, the range on 0 … top. */
function quantizeRange(values: usize, blocks: i32, to: usize, top: f32, five: bool): void {
  const shift = f32x4.splat(0.5)
  const tops = i32x4.splat(<i32>top)
  for (let block = 0; block < blocks; block++) {
    let least = v128.load(values)
    let most = least
    for (let at: usize = 16; at < 128; at += 16) {
      const x = v128.load(values + at)
      least = f32x4.pmin(least, x)
      most = f32x4.pmax(most, x)
    }
    // of equal zeros the first tells the sign
    const smallest = firstLike(values, -largestLane(f32x4.neg(least)), -1)
    const scale: f32 = (firstLike(values, largestLane(most), -1) - smallest) / top
    const inverse = f32x4.splat(inverseOf(scale))
    const origin = f32x4.splat(smallest)
    store<u16>(to, halfOf(scale))
    store<u16>(to, halfOf(smallest), 2)
    const low = codesOf(values, origin, inverse, shift, tops)
    const high = codesOf(values + 64, origin, inverse, shift, tops)
    if (five) storeFives(to + 4, low, high)
    else storeNibbles(to + 4, low, high)
    values += 128
    to += five ? 24 : 20
  }
}

export function quantizeQ4_0(values: usize, blocks: i32, to: usize): void {
  quantizeSymmetric(values, blocks, to, 8, false)
}

export function quantizeQ5_0(values: usize, blocks: i32, to: usize): void {
  quantizeSymmetric(values, blocks, to, 16, true)
}

export function quantizeQ4_1(values: usize, blocks: i32, to: usize): void {
  quantizeRange(values, blocks, to, 15, false)
}

export function quantizeQ5_1(values: usize, blocks: i32, to: usize): void {
  quantizeRange(values, blocks, to, 31, true)
}

/** Added to a whole number of fewer than 22 bits it leaves that in the lowest bits of the sum. */
const TO_BITS: f32 = 12582912 // 1.5 · 2²³

/** Four values in steps, to the nearest, halves away from zero; none is beyond 127. */
function roundedFour(x: usize, inverse: v128): v128 {
  const steps = f32x4.mul(v128.load(x), inverse)
  // the largest number below a half: what is a half away then rounds up to the next whole number, and nothing below does
  const half = v128.or(v128.and(steps, i32x4.splat(<i32>0x80000000)), i32x4.splat(0x3effffff))
  const whole = f32x4.trunc(f32x4.add(steps, half))
  return i32x4.sub(f32x4.add(whole, f32x4.splat(TO_BITS)), i32x4.splat(reinterpret<i32>(TO_BITS)))
}

/** Scale = largest magnitude / 127, then 32 signed bytes. */
export function quantizeQ8_0(values: usize, blocks: i32, to: usize): void {
  for (let block = 0; block < blocks; block++) {
    const scale: f32 = magnitudeOf(values) / 127
    const single = inverseOf(scale)
    const inverse = f32x4.splat(single == single ? single : 0) // where it overflows every code is 0
    store<u16>(to, halfOf(scale))
    for (let at: usize = 0; at < 2; at++) {
      const x = values + (at << 6)
      const low = i16x8.narrow_i32x4_s(roundedFour(x, inverse), roundedFour(x + 16, inverse))
      const high = i16x8.narrow_i32x4_s(roundedFour(x + 32, inverse), roundedFour(x + 48, inverse))
      v128.store(to + 2 + (at << 4), i8x16.narrow_i16x8_s(low, high))
    }
    values += 128
    to += 34
  }
}

/** Twice what E2M1 codes stand for. */
function gridOf(code: i32): f32 {
  const magnitude = code & 7
  const twice = magnitude < 5 ? magnitude : magnitude == 5 ? 6 : magnitude == 6 ? 8 : 12
  return <f32>(code < 8 ? twice : -twice)
}

/** Codes of four values: the nearest of the 16 numbers grid · scale, the first one of equals. */
function e2m1OfFour(x: v128, scale: f32): v128 {
  let best = i32x4.splat(0)
  let least = f32x4.abs(x)
  for (let code = 1; code < 16; code++) {
    const error = f32x4.abs(f32x4.sub(f32x4.splat(gridOf(code) * scale), x))
    const isNearer = f32x4.lt(error, least)
    best = v128.bitselect(i32x4.splat(code), best, isNearer)
    least = v128.bitselect(error, least, isNearer)
  }
  return best
}

function e2m1OfSixteen(x: usize, scale: f32): v128 {
  const first = i16x8.narrow_i32x4_s(e2m1OfFour(v128.load(x), scale), e2m1OfFour(v128.load(x, 16), scale))
  const second = i16x8.narrow_i32x4_s(e2m1OfFour(v128.load(x, 32), scale), e2m1OfFour(v128.load(x, 48), scale))
  return i8x16.narrow_i16x8_s(first, second)
}

/**
 * MXFP4. powers: bits of the least float whose float32 logarithm to base 2 is at least e, for e from -150 on; the largest magnitude has the
 * exponent of the last of them that it reaches.
 */
export function quantizeMxfp4(values: usize, blocks: i32, to: usize, powers: usize): void {
  for (let block = 0; block < blocks; block++) {
    const largest = reinterpret<u32>(magnitudeOf(values))
    let code = 0
    if (largest > 0) {
      let exponent = largest < 0x800000 ? -118 - <i32>clz(largest) : <i32>(largest >>> 23) - 127
      if (load<u32>(powers + ((<usize>(exponent + 151)) << 2)) <= largest) exponent++
      code = (exponent - 2 + 127) & 0xff
    }
    store<u8>(to, <u8>code)
    // half of the scale: 2^(code − 128)
    const scale = code < 2 ? reinterpret<f32>(0x200000 << code) : reinterpret<f32>((code - 1) << 23)
    storeNibbles(to + 1, e2m1OfSixteen(values, scale), e2m1OfSixteen(values + 64, scale))
    values += 128
    to += 17
  }
}
