import { clamp, clampFour, CODES, MINIMA, nearest, nearestFour, SCALES, TRIAL, W, X } from './lanes'

/** Line of the best fit of each lane. */
let scale: v128 = f32x4.splat(0)
let minimum: v128 = f32x4.splat(0)

/** Writes the codes round((x − minimum) · inverse) of the lanes. */
function roundFour(size: usize, tops: v128, inverse: v128, smallest: v128): void {
  const zero = i32x4.splat(0)
  for (let at: usize = 0; at < size; at += 16) {
    const steps = f32x4.mul(inverse, f32x4.sub(v128.load(X + at), smallest))
    v128.store(CODES + at, clampFour(nearestFour(steps), zero, tops))
  }
}

/** The weighted error of slope · code + offset, absolute or squared. */
function errorFour(size: usize, codes: usize, slope: v128, offset: v128, absolute: bool): v128 {
  let error = f32x4.splat(0)
  for (let at: usize = 0; at < size; at += 16) {
    const code = f32x4.convert_i32x4_s(v128.load(codes + at))
    const difference = f32x4.sub(f32x4.add(f32x4.mul(slope, code), offset), v128.load(X + at))
    const cost = absolute ? f32x4.abs(difference) : f32x4.mul(difference, difference)
    error = f32x4.add(error, f32x4.mul(v128.load(W + at), cost))
  }
  return error
}

/**
 * Finds scale and minimum for the group in each lane, x ≈ scale · code + minimum with minimum ≤ 0 and codes 0 … top; the codes are
 * then in CODES. Starts from the range; the inverse scales (top + start + step · i) / range, i = 0 … steps, each give codes, and
 * weighted least squares the best line for them; the line of least weighted error wins.
 */
function fitAffineFour(length: i32, top: i32, start: f32, step: f32, steps: i32, absolute: bool): void {
  const size = (<usize>length) << 4
  const zero = f32x4.splat(0)
  const tops = i32x4.splat(top)
  let smallest = v128.load(X)
  let largest = smallest
  let sumW = v128.load(W)
  let sumX = f32x4.mul(sumW, smallest)
  for (let at: usize = 16; at < size; at += 16) {
    const value = v128.load(X + at)
    const weight = v128.load(W + at)
    smallest = f32x4.pmin(smallest, value)
    largest = f32x4.pmax(largest, value)
    sumW = f32x4.add(sumW, weight)
    sumX = f32x4.add(sumX, f32x4.mul(weight, value))
  }
  smallest = f32x4.pmin(smallest, zero)
  const spans = f32x4.ne(largest, smallest)
  const first = f32x4.div(f32x4.splat(<f32>top), f32x4.sub(largest, smallest))
  scale = f32x4.div(f32x4.splat(1), first)
  minimum = smallest
  roundFour(size, tops, first, smallest)
  let best = errorFour(size, CODES, scale, minimum, absolute)
  for (let i = 0; i <= steps; i++) {
    const shifted: f32 = start + step * <f32>i + <f32>top
    // candidates count from the minimum of the best line so far
    const inverse = f32x4.div(f32x4.splat(shifted), f32x4.sub(largest, minimum))
    let sumL = zero
    let sumLL = zero
    let sumXL = zero
    for (let at: usize = 0; at < size; at += 16) {
      const value = v128.load(X + at)
      const code = clampFour(nearestFour(f32x4.mul(inverse, f32x4.sub(value, minimum))), i32x4.splat(0), tops)
      v128.store(TRIAL + at, code)
      const level = f32x4.convert_i32x4_s(code)
      const weighted = f32x4.mul(v128.load(W + at), level)
      sumL = f32x4.add(sumL, weighted)
      sumLL = f32x4.add(sumLL, f32x4.mul(weighted, level))
      sumXL = f32x4.add(sumXL, f32x4.mul(weighted, value))
    }
    const determinant = f32x4.sub(f32x4.mul(sumW, sumLL), f32x4.mul(sumL, sumL))
    const offset = f32x4.div(f32x4.sub(f32x4.mul(sumLL, sumX), f32x4.mul(sumL, sumXL)), determinant)
    const through = f32x4.gt(offset, zero)
    const slope = f32x4.div(f32x4.sub(f32x4.mul(sumW, sumXL), f32x4.mul(sumX, sumL)), determinant)
    const trialScale = v128.bitselect(f32x4.div(sumXL, sumLL), slope, through)
    const trialMinimum = v128.andnot(offset, through)
    const error = errorFour(size, TRIAL, trialScale, trialMinimum, absolute)
    const wins = v128.and(v128.and(f32x4.gt(determinant, zero), f32x4.lt(error, best)), spans)
    if (!v128.any_true(wins)) continue
    best = v128.bitselect(error, best, wins)
    scale = v128.bitselect(trialScale, scale, wins)
    minimum = v128.bitselect(trialMinimum, minimum, wins)
    for (let at: usize = 0; at < size; at += 16) v128.store(CODES + at, v128.bitselect(v128.load(TRIAL + at), v128.load(CODES + at), wins))
  }
  scale = v128.and(scale, spans)
  for (let at: usize = 0; at < size; at += 16) v128.store(CODES + at, v128.and(v128.load(CODES + at), spans))
}

/** Fits the four lanes and notes their scales and minima, which are then positive, from group `group` on. */
export function fitGroups(group: i32, size: i32, top: i32, start: f32, step: f32, steps: i32, absolute: bool): void {
  fitAffineFour(size, top, start, step, steps, absolute)
  const at = (<usize>group) << 2
  v128.store(SCALES + at, scale)
  v128.store(MINIMA + at, f32x4.neg(minimum))
}

/** Codes numbers so that the largest of them has the last code; gives the scale. */
export function codeEvenly(numbers: usize, count: i32, levels: f32, codes: usize): f32 {
  let largest: f32 = 0
  for (let i = 0; i < count; i++) {
    const number = load<f32>(numbers + ((<usize>i) << 2))
    if (number > largest) largest = number
  }
  const inverse: f32 = largest > 0 ? levels / largest : 0
  for (let i = 0; i < count; i++) store<u8>(codes + <usize>i, <u8>nearest(inverse * load<f32>(numbers + ((<usize>i) << 2))))
  return largest / levels
}

const TINY: f32 = 1e-15

function at(numbers: usize, i: i32): f32 {
  return load<f32>(numbers + ((<usize>i) << 2))
}

/** The weighted squared error of codes round(x · inverse); the codes of the first candidate are bytes in ggml, those of the others at most `top`. */
function errorAt(x: usize, count: i32, top: i32, inverse: f32, weights: usize, asBytes: bool): f32 {
  const step: f32 = 1 / inverse
  let error: f32 = 0
  for (let i = 0; i < count; i++) {
    const rounded = nearest(inverse * at(x, i))
    const code = <f32>(asBytes ? rounded & 0xff : min(top, rounded))
    const difference = at(x, i) - step * code
    error += at(weights, i) * difference * difference
  }
  return error
}

/**
 * One scale for numbers that are not negative on the grid 0 … top: nine candidates, then each code may move where that lowers the
 * weighted error, in up to five rounds. Writes the codes and gives the scale.
 */
export function fitPositive(x: usize, count: i32, top: i32, weights: usize, codes: usize): f32 {
  let largest: f32 = 0
  for (let i = 0; i < count; i++) largest = largest > at(x, i) ? largest : at(x, i)
  if (largest < TINY) {
    memory.fill(codes, 0, <usize>count)
    return 0
  }
  let inverse: f32 = <f32>top / largest
  let best = errorAt(x, count, top, inverse, weights, true)
  for (let shift = -4; shift <= 4; shift++) {
    if (shift == 0) continue
    const candidate: f32 = (<f32>0.1 * <f32>shift + <f32>top) / largest
    const error = errorAt(x, count, top, candidate, weights, false)
    if (!(error < best)) continue
    best = error
    inverse = candidate
  }
  let xl: f32 = 0
  let ll: f32 = 0
  for (let i = 0; i < count; i++) {
    const code = min(top, nearest(inverse * at(x, i)))
    store<u8>(codes + <usize>i, <u8>code)
    xl += at(weights, i) * at(x, i) * <f32>code
    ll += at(weights, i) * <f32>code * <f32>code
  }
  let moved = true
  for (let round = 0; round < 5 && moved; round++) {
    moved = false
    for (let i = 0; i < count; i++) {
      const weight = at(weights, i)
      const weighted = weight * at(x, i)
      const code = <i32>load<u8>(codes + <usize>i)
      let otherXl = xl - weighted * <f32>code
      let otherLl = ll - weight * <f32>code * <f32>code
      if (!(otherXl > 0 && otherLl > 0)) continue
      const next = min(top, nearest((at(x, i) * otherLl) / otherXl))
      if (next == code) continue
      otherXl += weighted * <f32>next
      otherLl += weight * <f32>next * <f32>next
      if (!(otherXl * otherXl * ll > xl * xl * otherLl)) continue
      store<u8>(codes + <usize>i, <u8>next)
      xl = otherXl
      ll = otherLl
      moved = true
    }
  }
  return ll > 0 ? xl / ll : 0
}

/** Codes of `size` values from x on, round((x + minimum) / scale), into bytes. */
export function recodeGroup(x: usize, size: i32, slope: f32, offset: f32, top: i32, to: usize): void {
  const slopes = f32x4.splat(slope)
  const offsets = f32x4.splat(offset)
  const zero = i32x4.splat(0)
  const tops = i32x4.splat(top)
  for (let i = 0; i < size; i += 4) {
    const steps = f32x4.div(f32x4.add(v128.load(x + ((<usize>i) << 2)), offsets), slopes)
    const codes = clampFour(nearestFour(steps), zero, tops)
    const words = i16x8.narrow_i32x4_s(codes, codes)
    store<u32>(to + <usize>i, i32x4.extract_lane(i8x16.narrow_i16x8_u(words, words), 0))
  }
}

/** Scale and minimum codes, at most `levels`. */
export function capCodes(codes: usize, count: i32, levels: i32): void {
  for (let i = 0; i < count; i++) store<u8>(codes + <usize>i, <u8>clamp(<i32>load<u8>(codes + <usize>i), 0, levels))
}
