/** Rounding of weights to lines, tables and small floats. Quotients are doubles, as plain JavaScript has them, so that ties fall alike. */

import { largestLane } from './vectors'

/** The least and the largest of each run of a row; the last run may be shorter. values: (rows, columns), low, high: (rows, runs). */
export function rangesOfRuns(values: usize, length: i32, columns: i32, run: i32, low: usize, high: usize): void {
  for (let row = 0; row < length; row += columns) {
    for (let start = 0; start < columns; start += run) {
      const count = min(run, columns - start)
      const from = values + ((<usize>(row + start)) << 2)
      let least = f32x4.splat(Infinity)
      let most = f32x4.splat(-Infinity)
      let i = 0
      for (; i + 4 <= count; i += 4) {
        const x = v128.load(from + ((<usize>i) << 2))
        least = f32x4.pmin(least, x)
        most = f32x4.pmax(most, x)
      }
      let smallest = Infinity as f32
      let largest = -Infinity as f32
      for (; i < count; i++) {
        const x = load<f32>(from + ((<usize>i) << 2))
        if (x < smallest) smallest = x
        if (x > largest) largest = x
      }
      smallest = min(smallest, -largestLane(f32x4.neg(least)))
      largest = max(largest, largestLane(most))
      store<f32>(low, smallest)
      store<f32>(high, largest)
      low += 4
      high += 4
    }
  }
}

/** Two codes, clamp(round(x / scale) + zero, 0, top), as doubles. */
function codesOfTwo(x: v128, scale: v128, zero: v128, top: v128): v128 {
  const steps = f64x2.add(f64x2.nearest(f64x2.div(x, scale)), zero)
  return f64x2.pmin(top, f64x2.pmax(f64x2.splat(0), steps))
}

/**
 * The nearest code of each weight on the line of its run, ties to even; scales, zeros: (rows, runs) in float32, or with `joint` one
 * run for all rows. Codes are bytes.
 */
export function roundToLines(
  values: usize,
  length: i32,
  columns: i32,
  run: i32,
  scales: usize,
  zeros: usize,
  joint: i32,
  top: i32,
  codes: usize,
): void {
  const tops = f64x2.splat(<f64>top)
  for (let row = 0; row < length; row += columns) {
    let line: usize = joint ? 0 : <usize>(row / columns) * <usize>((columns + run - 1) / run)
    for (let start = 0; start < columns; start += run, line++) {
      const scale = <f64>load<f32>(scales + (line << 2))
      const zero = <f64>load<f32>(zeros + (line << 2))
      const end = row + min(start + run, columns)
      let i = row + start
      for (; i + 4 <= end; i += 4) {
        const x = v128.load(values + ((<usize>i) << 2))
        const first = codesOfTwo(f64x2.promote_low_f32x4(x), f64x2.splat(scale), f64x2.splat(zero), tops)
        const upper = i64x2.shuffle(x, x, 1, 0)
        const second = codesOfTwo(f64x2.promote_low_f32x4(upper), f64x2.splat(scale), f64x2.splat(zero), tops)
        const low = i32x4.trunc_sat_f64x2_s_zero(first)
        const all = i64x2.shuffle(low, i32x4.trunc_sat_f64x2_s_zero(second), 0, 2)
        const words = i16x8.narrow_i32x4_s(all, all)
        store<u32>(codes + <usize>i, i32x4.extract_lane(i8x16.narrow_i16x8_u(words, words), 0))
      }
      for (; i < end; i++) {
        const steps = nearest(<f64>load<f32>(values + ((<usize>i) << 2)) / scale) + zero
        store<u8>(codes + <usize>i, <u8>min(<f64>top, max(0, steps)))
      }
    }
  }
}

/** The largest magnitude of each run of a row; NaN counts as nothing. */
export function absmaxOfRuns(values: usize, length: i32, columns: i32, run: i32, largest: usize): void {
  for (let row = 0; row < length; row += columns) {
    // the last row is shorter where runs go on over the flattened tensor
    const end = min(row + columns, length)
    for (let start = row; start < end; start += run) {
      const stop = min(start + run, end)
      let most = f32x4.splat(0)
      let i = start
      for (; i + 4 <= stop; i += 4) most = f32x4.pmax(most, f32x4.abs(v128.load(values + ((<usize>i) << 2))))
      let found = largestLane(most)
      for (; i < stop; i++) found = max(found, abs(load<f32>(values + ((<usize>i) << 2))))
      store<f32>(largest, found)
      largest += 4
    }
  }
}

/** Divisor of a block of zeros. */
const SMALLEST: f64 = 1e-38

/**
 * The nearest level of value / scale for runs of the flattened tensor: how many of the 15 middles lie below, and the code of that level
 * (16 bytes). middles: 15, ascending.
 */
export function nearestLevels(values: usize, length: i32, run: i32, scales: usize, middles: usize, table: usize, codes: usize): void {
  const names = v128.load(table)
  for (let start = 0; start < length; start += run, scales += 4) {
    const factor = <f32>(1 / max(<f64>load<f32>(scales), SMALLEST))
    const factors = f32x4.splat(factor)
    const stop = min(start + run, length)
    // the last vector may reach behind the run: its codes there are written again, or lie behind all
    for (let i = start; i < stop; i += 4) {
      const x = f32x4.mul(v128.load(values + ((<usize>i) << 2)), factors)
      let level = i32x4.splat(0)
      for (let m: usize = 0; m < 15; m++) level = i32x4.sub(level, f32x4.lt(v128.load32_splat(middles + (m << 2)), x))
      const words = i16x8.narrow_i32x4_s(level, level)
      const found = i8x16.swizzle(names, i8x16.narrow_i16x8_u(words, words))
      store<u32>(codes + <usize>i, i32x4.extract_lane(found, 0))
    }
  }
}

/** How many of the middles 0.25 … 5 between E2M1's magnitudes lie below, ties to the even code; as doubles. */
function e2m1OfTwo(x: v128): v128 {
  const size = f64x2.abs(x)
  let code = i64x2.sub(i64x2.splat(0), f64x2.gt(size, f64x2.splat(0.25)))
  code = i64x2.sub(code, f64x2.ge(size, f64x2.splat(0.75)))
  code = i64x2.sub(code, f64x2.gt(size, f64x2.splat(1.25)))
  code = i64x2.sub(code, f64x2.ge(size, f64x2.splat(1.75)))
  code = i64x2.sub(code, f64x2.gt(size, f64x2.splat(2.5)))
  code = i64x2.sub(code, f64x2.ge(size, f64x2.splat(3.5)))
  code = i64x2.sub(code, f64x2.gt(size, f64x2.splat(5)))
  // what rounds to 0 has no sign
  const negative = v128.and(f64x2.lt(x, f64x2.splat(0)), i64x2.ne(code, i64x2.splat(0)))
  return v128.or(code, v128.and(negative, i64x2.splat(8)))
}

/** The nearest 4-bit floats of value / scale, where each run of a row has its scale in a double; 0 where the scale is 0. */
export function roundToE2m1(values: usize, length: i32, columns: i32, run: i32, scales: usize, codes: usize): void {
  for (let row = 0; row < length; row += columns) {
    for (let start = 0; start < columns; start += run, scales += 8) {
      const scale = load<f64>(scales)
      const end = row + min(start + run, columns)
      const known = i32x4.splat(scale == 0 ? 0 : -1)
      for (let i = row + start; i < end; i += 4) {
        const x = v128.load(values + ((<usize>i) << 2))
        const first = e2m1OfTwo(f64x2.div(f64x2.promote_low_f32x4(x), f64x2.splat(scale)))
        const second = e2m1OfTwo(f64x2.div(f64x2.promote_low_f32x4(i64x2.shuffle(x, x, 1, 0)), f64x2.splat(scale)))
        const all = v128.and(i32x4.shuffle(first, second, 0, 2, 4, 6), known)
        const words = i16x8.narrow_i32x4_s(all, all)
        store<u32>(codes + <usize>i, i32x4.extract_lane(i8x16.narrow_i16x8_u(words, words), 0))
      }
    }
  }
}

/**
 * The nearest 8-bit floats of value / scale, within ±largest, one scale for each `columns` values, ties to even; fraction: their bits
 * of mantissa, bias: of their exponent.
 */
export function roundToFloat8(
  values: usize,
  length: i32,
  columns: i32,
  scales: usize,
  largest: f64,
  fraction: i32,
  bias: i32,
  codes: usize,
): void {
  const shift = 23 - fraction
  const most = f64x2.splat(largest)
  const least = f64x2.splat(-largest)
  // adding this leaves as many bits behind the point as subnormal numbers have
  const magic = reinterpret<f32>((127 + 23 - fraction + 1 - bias) << 23)
  const normal = f32x4.splat(reinterpret<f32>((127 + 1 - bias) << 23))
  for (let row = 0; row < length; row += columns, scales += 4) {
    const scale = f64x2.splat(<f64>load<f32>(scales))
    const end = min(row + columns, length)
    for (let i = row; i < end; i += 4) {
      const x = v128.load(values + ((<usize>i) << 2))
      const first = f64x2.pmin(most, f64x2.pmax(least, f64x2.div(f64x2.promote_low_f32x4(x), scale)))
      const upper = f64x2.div(f64x2.promote_low_f32x4(i64x2.shuffle(x, x, 1, 0)), scale)
      const second = f64x2.pmin(most, f64x2.pmax(least, upper))
      const both = i64x2.shuffle(f32x4.demote_f64x2_zero(first), f32x4.demote_f64x2_zero(second), 0, 2)
      const magnitude = f32x4.abs(both)
      const odd = v128.and(i32x4.shr_u(magnitude, shift), i32x4.splat(1))
      const rounded = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, i32x4.splat((1 << (shift - 1)) - 1)), odd), shift)
      const large = i32x4.sub(rounded, i32x4.splat((127 - bias) << fraction))
      const small = i32x4.sub(f32x4.add(magnitude, f32x4.splat(magic)), i32x4.splat(reinterpret<i32>(magic)))
      const code = v128.bitselect(small, large, f32x4.lt(magnitude, normal))
      const sign = v128.and(i32x4.shr_u(both, 24), i32x4.splat(128))
      const words = i16x8.narrow_i32x4_s(v128.or(code, sign), code)
      store<u32>(codes + <usize>i, i32x4.extract_lane(i8x16.narrow_i16x8_u(words, words), 0))
    }
  }
}

/** Σ (x − y)² and Σ x² of each run, as doubles. */
export function squaredErrors(x: usize, y: usize, length: i32, run: i32, sums: usize): void {
  for (let start = 0; start < length; start += run, sums += 16) {
    const end = min(start + run, length)
    let error = f64x2.splat(0)
    let norm = f64x2.splat(0)
    let i = start
    for (; i + 2 <= end; i += 2) {
      const a = f64x2.promote_low_f32x4(v128.load64_zero(x + ((<usize>i) << 2)))
      const difference = f64x2.sub(a, f64x2.promote_low_f32x4(v128.load64_zero(y + ((<usize>i) << 2))))
      error = f64x2.add(error, f64x2.mul(difference, difference))
      norm = f64x2.add(norm, f64x2.mul(a, a))
    }
    let errorSum = f64x2.extract_lane(error, 0) + f64x2.extract_lane(error, 1)
    let normSum = f64x2.extract_lane(norm, 0) + f64x2.extract_lane(norm, 1)
    for (; i < end; i++) {
      const a = <f64>load<f32>(x + ((<usize>i) << 2))
      const difference = a - <f64>load<f32>(y + ((<usize>i) << 2))
      errorSum += difference * difference
      normSum += a * a
    }
    store<f64>(sums, errorSum)
    store<f64>(sums + 8, normSum)
  }
}

/** The largest bits of a magnitude, in the order of the magnitudes; those of infinity and NaN are 0x7f800000 and more. largest: one int32. */
export function largestBits(values: usize, length: i32, largest: usize): void {
  const magnitude = i32x4.splat(0x7fffffff)
  let most = i32x4.splat(0)
  let i = 0
  for (; i + 4 <= length; i += 4) most = i32x4.max_s(most, v128.and(v128.load(values + ((<usize>i) << 2)), magnitude))
  let found = max(
    max(i32x4.extract_lane(most, 0), i32x4.extract_lane(most, 1)),
    max(i32x4.extract_lane(most, 2), i32x4.extract_lane(most, 3)),
  )
  for (; i < length; i++) found = max(found, load<i32>(values + ((<usize>i) << 2)) & 0x7fffffff)
  store<i32>(largest, found)
}

/** float32 of bf16: its bits are the upper half. */
export function widenBf16(codes: usize, length: i32, values: usize): void {
  for (let i = 0; i < length; i += 8) {
    const eight = v128.load(codes + ((<usize>i) << 1))
    const to = values + ((<usize>i) << 2)
    v128.store(to, i32x4.shl(i32x4.extend_low_i16x8_u(eight), 16))
    if (i + 4 < length) v128.store(to, i32x4.shl(i32x4.extend_high_i16x8_u(eight), 16), 16)
  }
}
