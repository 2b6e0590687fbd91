/**
 * What the searches of ggml's block types share. Four groups of a block are searched at once, one in each lane of a vector, so that
 * every lane does the float32 operations of ggml's plain loops in their order: the bytes are the same, sums included.
 */

/** Adding 1.5 · 2²³ leaves a float32 no bits for a fraction: the addition rounds, ties to even. */
const MAGIC: f32 = 12582912

/** Room for four groups of up to 32 elements, element i of all four beside each other: values, weights and codes. */
export const X: usize = memory.data(512, 16)
export const W: usize = memory.data(512, 16)
export const CODES: usize = memory.data(512, 16)
export const TRIAL: usize = memory.data(512, 16)

/** Of a block: scales and minima of its groups, sums of their weights, and what they are coded as. */
export const SCALES: usize = memory.data(64, 16)
export const MINIMA: usize = memory.data(64, 16)
export const SUMS: usize = memory.data(64, 16)
export const SCALE_CODES: usize = memory.data(16, 16)
export const MINIMUM_CODES: usize = memory.data(16, 16)
/** The codes of a block's elements, one in a byte. */
export const BYTES: usize = memory.data(256, 16)

/** The nearest integers, ties to even; outside of ±2²² what ggml reads from the bits of the sum. */
export function nearestFour(v: v128): v128 {
  const bits = f32x4.add(v, f32x4.splat(MAGIC))
  return i32x4.sub(v128.and(bits, i32x4.splat(0x7fffff)), i32x4.splat(0x400000))
}

export function nearest(value: f32): i32 {
  return (reinterpret<i32>(value + MAGIC) & 0x7fffff) - 0x400000
}

export function clampFour(v: v128, low: v128, high: v128): v128 {
  return i32x4.min_s(i32x4.max_s(v, low), high)
}

export function clamp(value: i32, low: i32, high: i32): i32 {
  return min(max(value, low), high)
}

/** Spreads `count` groups of `size` numbers over lanes, (count, size) → (size, 4); lanes without a group get zeros. */
export function spread(from: usize, size: i32, count: i32, to: usize): void {
  for (let group = 0; group < 4; group++) {
    const lane = to + ((<usize>group) << 2)
    const source = from + ((<usize>(group * size)) << 2)
    for (let i = 0; i < size; i++) store<f32>(lane + ((<usize>i) << 4), group < count ? load<f32>(source + ((<usize>i) << 2)) : 0)
  }
}

/** Gathers integers of lanes as bytes, (size, 4) → (count, size). */
export function gatherBytes(from: usize, size: i32, count: i32, to: usize): void {
  for (let group = 0; group < count; group++) {
    const lane = from + ((<usize>group) << 2)
    for (let i = 0; i < size; i++) store<u8>(to + <usize>(group * size + i), <u8>load<i32>(lane + ((<usize>i) << 4)))
  }
}

/** Σ x² one after the other. */
export function sumOfSquares(x: usize, size: i32): f32 {
  let sum: f32 = 0
  for (let i = 0; i < size; i++) {
    const value = load<f32>(x + ((<usize>i) << 2))
    sum += value * value
  }
  return sum
}

/** Weights of the lanes become importance · √(floor + x²), floor: one a lane; gives the sum of each lane. W holds the importance before. */
export function weighFour(size: i32, floor: v128): v128 {
  let sum = f32x4.splat(0)
  for (let at: usize = 0; at < (<usize>size) << 4; at += 16) {
    const value = v128.load(X + at)
    const weight = f32x4.mul(v128.load(W + at), f32x4.sqrt(f32x4.add(floor, f32x4.mul(value, value))))
    v128.store(W + at, weight)
    sum = f32x4.add(sum, weight)
  }
  return sum
}

/** Weights of the lanes become x². */
export function squareFour(size: i32): void {
  for (let at: usize = 0; at < (<usize>size) << 4; at += 16) {
    const value = v128.load(X + at)
    v128.store(W + at, f32x4.mul(value, value))
  }
}

/** The signed value of largest magnitude, the first one of equals. */
export function extremeOf(x: usize, size: i32): f32 {
  let magnitude: f32 = 0
  let value: f32 = 0
  for (let i = 0; i < size; i++) {
    const candidate = load<f32>(x + ((<usize>i) << 2))
    if (abs(candidate) > magnitude) {
      magnitude = abs(candidate)
      value = candidate
    }
  }
  return value
}

/** The same of each lane. */
export function extremeFour(size: i32): v128 {
  let magnitude = f32x4.splat(0)
  let value = f32x4.splat(0)
  for (let at: usize = 0; at < (<usize>size) << 4; at += 16) {
    const x = v128.load(X + at)
    const larger = f32x4.gt(f32x4.abs(x), magnitude)
    magnitude = v128.bitselect(f32x4.abs(x), magnitude, larger)
    value = v128.bitselect(x, value, larger)
  }
  return value
}

/** The float32 of a half. */
export function floatOf(half: u32): f32 {
  const sign = (half & 0x8000) << 16
  const exponent = (half >>> 10) & 31
  const fraction = half & 0x3ff
  if (exponent == 31) return reinterpret<f32>(sign | 0x7f800000 | (fraction << 13))
  if (exponent != 0) return reinterpret<f32>(sign | ((exponent + 112) << 23) | (fraction << 13))
  const tiny: f32 = <f32>fraction * <f32>5.960464477539063e-8 // 2⁻²⁴
  return reinterpret<f32>(sign | reinterpret<u32>(tiny))
}
