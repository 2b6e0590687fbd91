import { clampFour, CODES, extremeFour, nearestFour, TRIAL, W, X } from './lanes'

/** Groups of smaller magnitude are taken for zeros. */
export const TINY: f32 = 1e-15
const SHIFTS = 9

/** Codes count from −half, and those of groups of zeros are 0. */
function storeCodes(size: usize, half: i32, zeros: v128): void {
  const halves = i32x4.splat(half)
  for (let at: usize = 0; at < size; at += 16) v128.store(CODES + at, v128.andnot(i32x4.add(v128.load(CODES + at), halves), zeros))
}

/**
 * Finds one scale for the group in each lane on the grid −half … half − 1, with the weights in W; the codes are then in CODES.
 * Of each candidate scale the best one for its codes is Σ w·x·code / Σ w·code²; tried are the scale that puts the extreme value on
 * −half and 18 beside it, and the least weighted squared error wins.
 */
export function fitSymmetricFour(length: i32, half: i32): v128 {
  const size = (<usize>length) << 4
  const extreme = extremeFour(length)
  const zeros = f32x4.lt(f32x4.abs(extreme), f32x4.splat(TINY))
  const low = i32x4.splat(-half)
  const high = i32x4.splat(half - 1)
  const zero = f32x4.splat(0)
  let scale = zero
  let best = zero
  for (let trial = 0; trial <= 2 * SHIFTS; trial++) {
    // the unshifted scale comes first, then −9 … 9 without it
    const shift = trial == 0 ? 0 : trial <= SHIFTS ? trial - SHIFTS - 1 : trial - SHIFTS
    const reach: f32 = -(<f32>half + <f32>0.1 * <f32>shift)
    const inverse = f32x4.div(f32x4.splat(reach), extreme)
    let xl = zero
    let ll = zero
    for (let at: usize = 0; at < size; at += 16) {
      const value = v128.load(X + at)
      const code = clampFour(nearestFour(f32x4.mul(inverse, value)), low, high)
      v128.store(TRIAL + at, code)
      const level = f32x4.convert_i32x4_s(code)
      const weight = v128.load(W + at)
      xl = f32x4.add(xl, f32x4.mul(f32x4.mul(weight, value), level))
      ll = f32x4.add(ll, f32x4.mul(f32x4.mul(weight, level), level))
    }
    const better = v128.and(f32x4.gt(ll, zero), f32x4.gt(f32x4.mul(xl, xl), f32x4.mul(best, ll)))
    const wins = trial == 0 ? i32x4.splat(-1) : better
    if (!v128.any_true(wins)) continue
    const found = v128.andnot(f32x4.div(xl, ll), f32x4.eq(ll, zero))
    scale = v128.bitselect(found, scale, wins)
    best = v128.bitselect(f32x4.mul(found, xl), best, wins)
    for (let at: usize = 0; at < size; at += 16) v128.store(CODES + at, v128.bitselect(v128.load(TRIAL + at), v128.load(CODES + at), wins))
  }
  storeCodes(size, half, zeros)
  return v128.andnot(scale, zeros)
}

/**
 * The same grid, weighted by x², searched code by code: each may move to the nearest one for the scale that the others want,
 * where that lowers the error; up to five rounds. A lane that has come to rest stays so in the rounds that the others take.
 */
export function refineSymmetricFour(length: i32, half: i32): v128 {
  const size = (<usize>length) << 4
  const extreme = extremeFour(length)
  const zeros = f32x4.lt(f32x4.abs(extreme), f32x4.splat(TINY))
  const low = i32x4.splat(-half)
  const high = i32x4.splat(half - 1)
  const zero = f32x4.splat(0)
  const inverse = f32x4.div(f32x4.splat(-(<f32>half)), extreme)
  let xl = zero
  let ll = zero
  for (let at: usize = 0; at < size; at += 16) {
    const value = v128.load(X + at)
    const code = clampFour(nearestFour(f32x4.mul(inverse, value)), low, high)
    v128.store(CODES + at, code)
    const level = f32x4.convert_i32x4_s(code)
    const weight = f32x4.mul(value, value)
    xl = f32x4.add(xl, f32x4.mul(f32x4.mul(weight, value), level))
    ll = f32x4.add(ll, f32x4.mul(f32x4.mul(weight, level), level))
  }
  let moved = true
  for (let round = 0; round < 5 && moved; round++) {
    moved = false
    for (let at: usize = 0; at < size; at += 16) {
      const value = v128.load(X + at)
      const code = v128.load(CODES + at)
      const level = f32x4.convert_i32x4_s(code)
      const weight = f32x4.mul(value, value)
      const weighted = f32x4.mul(weight, value)
      let otherXl = f32x4.sub(xl, f32x4.mul(weighted, level))
      let otherLl = f32x4.sub(ll, f32x4.mul(f32x4.mul(weight, level), level))
      const positive = f32x4.gt(otherXl, zero)
      const next = clampFour(nearestFour(f32x4.div(f32x4.mul(value, otherLl), otherXl)), low, high)
      const nextLevel = f32x4.convert_i32x4_s(next)
      otherXl = f32x4.add(otherXl, f32x4.mul(weighted, nextLevel))
      otherLl = f32x4.add(otherLl, f32x4.mul(f32x4.mul(weight, nextLevel), nextLevel))
      const lower = f32x4.gt(f32x4.mul(f32x4.mul(otherXl, otherXl), ll), f32x4.mul(f32x4.mul(xl, xl), otherLl))
      const changes = v128.and(v128.and(positive, i32x4.ne(next, code)), v128.and(f32x4.gt(otherLl, zero), lower))
      const moves = v128.andnot(changes, zeros)
      if (!v128.any_true(moves)) continue
      v128.store(CODES + at, v128.bitselect(next, code, moves))
      xl = v128.bitselect(otherXl, xl, moves)
      ll = v128.bitselect(otherLl, ll, moves)
      moved = true
    }
  }
  storeCodes(size, half, zeros)
  return v128.andnot(v128.and(f32x4.div(xl, ll), f32x4.gt(ll, zero)), zeros)
}

/** Codes of `size` values from x on, round(x / scale), counted from −half, into bytes. */
export function recodeSymmetric(x: usize, size: i32, scale: f32, half: i32, to: usize): void {
  const scales = f32x4.splat(scale)
  const low = i32x4.splat(-half)
  const high = i32x4.splat(half - 1)
  const halves = i32x4.splat(half)
  for (let i = 0; i < size; i += 4) {
    const codes = clampFour(nearestFour(f32x4.div(v128.load(x + ((<usize>i) << 2)), scales)), low, high)
    const bytes = i16x8.narrow_i32x4_s(i32x4.add(codes, halves), codes)
    store<u32>(to + <usize>i, i32x4.extract_lane(i8x16.narrow_i16x8_u(bytes, bytes), 0))
  }
}
