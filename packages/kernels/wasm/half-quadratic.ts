import { halfOf } from './blocks'
import { floatOf } from './searches/lanes'

/** The nearest half, by way of float32. */
function rounded(value: f64): f64 {
  return <f64>floatOf(halfOf(<f32>value))
}

/** sign(x) · max(0, |x| − |x|^(norm − 1) / beta); below `quiet` that is 0. */
function shrink(x: f64, norm: f64, beta: f64, quiet: f64): f64 {
  const size = abs(x)
  if (size <= quiet || size == 0) return 0
  return copysign(max(0, size - Math.pow(size, norm - 1) / beta), x)
}

/** The same of two numbers, nearly always without a power. */
function shrinkTwo(x: v128, norm: f64, beta: f64, quiet: f64): v128 {
  if (!v128.any_true(f64x2.gt(f64x2.abs(x), f64x2.splat(quiet)))) return f64x2.splat(0)
  const first = shrink(f64x2.extract_lane(x, 0), norm, beta, quiet)
  return f64x2.replace_lane(f64x2.splat(first), 1, shrink(f64x2.extract_lane(x, 1), norm, beta, quiet))
}

/** Writes the codes of two groups for their zeros and gives Σ |w − ŵ|. */
function fitTwo(size: i32, values: usize, steps: usize, codes: usize, scale: v128, zero: v128, top: v128): v128 {
  let error = f64x2.splat(0)
  for (let at: usize = 0; at < (<usize>size) << 4; at += 16) {
    const code = f64x2.pmin(top, f64x2.pmax(f64x2.splat(0), f64x2.nearest(f64x2.add(v128.load(steps + at), zero))))
    v128.store(codes + at, code)
    const value = f64x2.mul(scale, f64x2.sub(code, zero))
    error = f64x2.add(error, f64x2.abs(f64x2.sub(v128.load(values + at), value)))
  }
  return error
}

/** Σ (code − (w − outlier) / scale) of two groups. */
function sumTwo(size: i32, values: usize, steps: usize, codes: usize, scale: v128, zero: v128, norm: f64, beta: f64, quiet: f64): v128 {
  let sum = f64x2.splat(0)
  for (let at: usize = 0; at < (<usize>size) << 4; at += 16) {
    const value = v128.load(values + at)
    const code = v128.load(codes + at)
    const outlier = shrinkTwo(f64x2.sub(value, f64x2.mul(scale, f64x2.sub(code, zero))), norm, beta, quiet)
    const step = v128.any_true(outlier) ? f64x2.div(f64x2.sub(value, outlier), scale) : v128.load(steps + at)
    sum = f64x2.sub(f64x2.add(sum, code), step)
  }
  return sum
}

/** Puts a group in a lane of `values` and gives its least value, or 0. */
function spreadGroup(from: usize, size: i32, lane: usize, values: usize): f64 {
  let low: f64 = 0
  for (let i = 0; i < size; i++) {
    const value = <f64>load<f32>(from + ((<usize>i) << 2))
    low = min(low, value)
    store<f64>(values + ((<usize>i) << 4) + (lane << 3), value)
  }
  return low
}

function storeCodes(codes: usize, size: i32, lane: usize, to: usize): void {
  for (let i = 0; i < size; i++) store<u8>(to + <usize>i, <u8>load<f64>(codes + ((<usize>i) << 4) + (lane << 3)))
}

/**
 * Half-quadratic quantization of the groups of rows: moves the zero of each, a half, until Σ |w − ŵ| stops falling. Two groups
 * at once, one in each lane, so that sums are those of plain loops. scales, which are given, and zeros: (rows, groups); room: 64 bytes for each column of a group.
 */
export function solveHalfQuadratic(
  weights: usize,
  length: i32,
  columns: i32,
  group: i32,
  bits: i32,
  norm: f64,
  beta: f64,
  quiet: f64,
  iterations: i32,
  room: usize,
  scales: usize,
  zeros: usize,
  codes: usize,
): void {
  const top = f64x2.splat(<f64>((1 << bits) - 1))
  const values = room
  const steps = room + ((<usize>group) << 4)
  const best = room + ((<usize>group) << 5)
  const trial = best + ((<usize>group) << 4)
  for (let row = 0; row < length; row += columns) {
    for (let start = 0; start < columns;) {
      const size = min(group, columns - start)
      const pair = start + 2 * group <= columns
      const from = weights + ((<usize>(row + start)) << 2)
      const second = pair ? from + ((<usize>group) << 2) : from
      const firstScale = <f64>load<f32>(scales)
      const firstZero = rounded(-spreadGroup(from, size, 0, values) / firstScale)
      const secondScale = pair ? <f64>load<f32>(scales, 4) : firstScale
      const secondZero = rounded(-spreadGroup(second, size, 1, values) / secondScale)
      const scale = f64x2.replace_lane(f64x2.splat(firstScale), 1, secondScale)
      let zero = f64x2.replace_lane(f64x2.splat(firstZero), 1, secondZero)
      for (let at: usize = 0; at < (<usize>size) << 4; at += 16) v128.store(steps + at, f64x2.div(v128.load(values + at), scale))
      let error = fitTwo(size, values, steps, best, scale, zero, top)
      for (let step = 0; step < iterations; step++) {
        const sum = sumTwo(size, values, steps, best, scale, zero, norm, beta, quiet)
        const mean = f64x2.div(sum, f64x2.splat(<f64>size))
        const moved = f64x2.replace_lane(f64x2.splat(rounded(f64x2.extract_lane(mean, 0))), 1, rounded(f64x2.extract_lane(mean, 1)))
        const next = fitTwo(size, values, steps, trial, scale, moved, top)
        const wins = f64x2.lt(next, error)
        if (!v128.any_true(wins)) break
        error = v128.bitselect(next, error, wins)
        zero = v128.bitselect(moved, zero, wins)
        for (let at: usize = 0; at < (<usize>size) << 4; at += 16)
          v128.store(best + at, v128.bitselect(v128.load(trial + at), v128.load(best + at), wins))
      }
      const lanes = pair ? 2 : 1
      for (let lane = 0; lane != lanes; lane++) {
        storeCodes(best, size, <usize>lane, codes + <usize>(row + start))
        store<f32>(zeros, <f32>(lane ? f64x2.extract_lane(zero, 1) : f64x2.extract_lane(zero, 0)))
        scales += 4
        zeros += 4
        start += size
      }
    }
  }
}
