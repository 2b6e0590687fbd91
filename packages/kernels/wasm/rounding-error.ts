/** What rounding scaled weights to nearest leaves of each of them, in float32 as an engine computes it. */

import { largestLane } from './vectors'

/** Narrower ranges count for this wide, so that no scale is 0. */
const SMALLEST_RANGE: f32 = 1e-5

/** The largest x · factor · sign of a run, at least 0. */
function reach(values: usize, factors: usize, count: i32, sign: f32): f32 {
  const signs = f32x4.splat(sign)
  let most = f32x4.splat(0)
  let i = 0
  for (; i + 4 <= count; i += 4) {
    const at = (<usize>i) << 2
    most = f32x4.pmax(most, f32x4.mul(signs, f32x4.mul(v128.load(values + at), v128.load(factors + at))))
  }
  let found = largestLane(most)
  for (; i < count; i++) {
    const at = (<usize>i) << 2
    found = max(found, sign * (load<f32>(values + at) * load<f32>(factors + at)))
  }
  return found
}

/** How far each run of x · factor reaches below and above 0. values: (rows, columns), factors: (columns), below, above: (rows, runs). */
export function reachesOfProducts(values: usize, length: i32, columns: i32, run: i32, factors: usize, below: usize, above: usize): void {
  for (let row = 0; row < length; row += columns)
    for (let start = 0; start < columns; start += run) {
      const count = min(run, columns - start)
      const from = values + ((<usize>(row + start)) << 2)
      const by = factors + ((<usize>start) << 2)
      store<f32>(below, reach(from, by, count, -1))
      store<f32>(above, reach(from, by, count, 1))
      below += 4
      above += 4
    }
}

/**
 * Q(x · factor) / factor − x, where Q rounds to the line of the run, ties to even: scale = range / top, of twice the longer reach where
 * symmetric. below, above: (rows, runs), or with `joint` one of each for all.
 */
export function roundingErrors(
  values: usize,
  length: i32,
  columns: i32,
  run: i32,
  factors: usize,
  below: usize,
  above: usize,
  joint: i32,
  symmetric: i32,
  top: i32,
  errors: usize,
): void {
  const step: usize = joint ? 0 : 4
  const levels = <f32>top
  for (let row = 0; row < length; row += columns)
    for (let start = 0; start < columns; start += run) {
      const low = load<f32>(below)
      const high = load<f32>(above)
      const range = symmetric ? max(low, high) * 2 : high + low
      const scale = max(range, SMALLEST_RANGE) / levels
      const zero: f32 = symmetric ? <f32>((top + 1) >> 1) : nearest(low / scale)
      const at = (<usize>(row + start)) << 2
      errorsOfRun(values + at, factors + ((<usize>start) << 2), min(run, columns - start), scale, zero, levels, errors + at)
      below += step
      above += step
    }
}

function errorsOfRun(values: usize, factors: usize, count: i32, scale: f32, zero: f32, levels: f32, errors: usize): void {
  const scales = f32x4.splat(scale)
  const zeros = f32x4.splat(zero)
  const tops = f32x4.splat(levels)
  let i = 0
  for (; i + 4 <= count; i += 4) {
    const at = (<usize>i) << 2
    const x = v128.load(values + at)
    const factor = v128.load(factors + at)
    const steps = f32x4.add(f32x4.nearest(f32x4.div(f32x4.mul(x, factor), scales)), zeros)
    const code = f32x4.pmin(tops, f32x4.pmax(f32x4.splat(0), steps))
    const value = f32x4.mul(f32x4.sub(code, zeros), scales)
    v128.store(errors + at, f32x4.sub(f32x4.div(value, factor), x))
  }
  for (; i < count; i++) {
    const at = (<usize>i) << 2
    const x = load<f32>(values + at)
    const factor = load<f32>(factors + at)
    const code = min(levels, max(0, nearest((x * factor) / scale) + zero))
    store<f32>(errors + at, ((code - zero) * scale) / factor - x)
  }
}
