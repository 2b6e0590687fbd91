import { sumLanes } from './vectors'

/** 16 codes of `bits` 2, 4 or 8, one a byte. */
// @ts-ignore: a decorator of the compiler
@inline
export function codesAt(from: usize, bits: i32): v128 {
  if (bits == 8) return v128.load(from)
  if (bits == 4) {
    const pairs = v128.load64_zero(from)
    const low = v128.and(pairs, i8x16.splat(15))
    return i8x16.shuffle(low, i8x16.shr_u(pairs, 4), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
  }
  const fours = v128.load32_zero(from)
  const mask = i8x16.splat(3)
  const first = v128.and(fours, mask)
  const second = v128.and(i8x16.shr_u(fours, 2), mask)
  const third = v128.and(i8x16.shr_u(fours, 4), mask)
  const evens = i8x16.shuffle(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 0, 16, 1, 17, 2, 18, 3, 19)
  const odds = i8x16.shuffle(third, i8x16.shr_u(fours, 6), 0, 16, 1, 17, 2, 18, 3, 19, 0, 16, 1, 17, 2, 18, 3, 19)
  return i8x16.shuffle(evens, odds, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23)
}

// @ts-ignore: a decorator of the compiler
@inline
function times(codes: v128, x: usize): v128 {
  return f32x4.mul(f32x4.convert_i32x4_u(codes), v128.load(x))
}

/** Σ code · x of 16 neighbours, in four lanes. */
// @ts-ignore: a decorator of the compiler
@inline
export function dotSixteen(codes: v128, x: usize): v128 {
  const low = i16x8.extend_low_i8x16_u(codes)
  const high = i16x8.extend_high_i8x16_u(codes)
  const first = f32x4.add(times(i32x4.extend_low_i16x8_u(low), x), times(i32x4.extend_high_i16x8_u(low), x + 16))
  const second = f32x4.add(times(i32x4.extend_low_i16x8_u(high), x + 32), times(i32x4.extend_high_i16x8_u(high), x + 48))
  return f32x4.add(first, second)
}

/**
 * y = x · Wᵀ in float32 with W packed: x (count, blocks · block) with zeros behind the columns, codes (rows, blocks, block · bits / 8),
 * scales (rows, blocks), offsets (rows, blocks) = scale · zero, sums (blocks) is room, y (count, rows); block is a multiple of 16.
 */
export function multiplyPacked(
  x: usize,
  count: i32,
  codes: usize,
  bits: i32,
  rows: i32,
  blocks: i32,
  block: i32,
  scales: usize,
  offsets: usize,
  sums: usize,
  y: usize,
): void {
  const step = <usize>(2 * bits)
  for (let m = 0; m < count; m++) {
    for (let b = 0; b < blocks; b++) {
      let sum = f32x4.splat(0)
      for (let at = 0; at < block; at += 4) sum = f32x4.add(sum, v128.load(x + ((<usize>(b * block + at)) << 2)))
      store<f32>(sums + ((<usize>b) << 2), sumLanes(sum))
    }
    let code = codes
    let scale = scales
    let offset = offsets
    for (let n = 0; n < rows; n++) {
      let total = f32x4.splat(0)
      let away: f32 = 0
      let value = x
      for (let b = 0; b < blocks; b++) {
        let inner = f32x4.splat(0)
        for (let at = 0; at < block; at += 16) {
          inner = f32x4.add(inner, dotSixteen(codesAt(code, bits), value))
          code += step
          value += 64
        }
        total = f32x4.add(total, f32x4.mul(inner, v128.load32_splat(scale)))
        away += load<f32>(offset) * load<f32>(sums + ((<usize>b) << 2))
        scale += 4
        offset += 4
      }
      store<f32>(y, sumLanes(total) - away)
      y += 4
    }
    x += (<usize>(blocks * block)) << 2
  }
}
