/** Products with codes whose scale and minimum are those of a tile of lines and columns: value = scale · code + minimum. */

import { codesAt, dotSixteen } from './packed'
import { sumLanes } from './vectors'

/** What turns the bits of a half, moved to those of a float, into its value. */
const FROM_HALF: f32 = 5.192296858534828e33 // 2^112

/** Four numbers from a place on, of float32 or of halves. */
// @ts-ignore: a decorator of the compiler
@inline
function fourAt(from: usize, place: i32, isHalf: bool): v128 {
  if (!isHalf) return v128.load(from + ((<usize>place) << 2))
  const bits = i32x4.extend_low_i16x8_u(v128.load64_zero(from + ((<usize>place) << 1)))
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16)
  const size = f32x4.mul(i32x4.shl(v128.and(bits, i32x4.splat(0x7fff)), 13), f32x4.splat(FROM_HALF))
  return v128.or(size, sign)
}

/** One number four times. */
// @ts-ignore: a decorator of the compiler
@inline
function splatAt(from: usize, place: i32, isHalf: bool): v128 {
  if (!isHalf) return v128.load32_splat(from + ((<usize>place) << 2))
  const bits = <u32>load<u16>(from + ((<usize>place) << 1))
  const size = reinterpret<f32>((bits & 0x7fff) << 13) * FROM_HALF
  return f32x4.splat(bits & 0x8000 ? -size : size)
}

/** The scales of four columns of the tiles from a place on. */
// @ts-ignore: a decorator of the compiler
@inline
function scalesOf(scales: usize, place: i32, column: i32, width: i32, isHalf: bool): v128 {
  return width == 1 ? fourAt(scales, place + column, isHalf) : splatAt(scales, place + column / width, isHalf)
}

/** Their minimums; where there are none, what the code of zero in the middle makes of the scales. */
// @ts-ignore: a decorator of the compiler
@inline
function minimumsOf(minimums: usize, scale: v128, bits: i32, place: i32, column: i32, width: i32, isHalf: bool): v128 {
  if (minimums == 0) return f32x4.mul(scale, f32x4.splat(-(<f32>(1 << (bits - 1)))))
  return scalesOf(minimums, place, column, width, isHalf)
}

/** q times the scales of a block of lines, in room; Σ q · minimum. */
function scaledQuery(
  q: usize,
  columns: i32,
  bits: i32,
  width: i32,
  place: i32,
  scales: usize,
  minimums: usize,
  isHalf: bool,
  room: usize,
): f32 {
  let offset = f32x4.splat(0)
  for (let c = 0; c < columns; c += 4) {
    const x = v128.load(q + ((<usize>c) << 2))
    const scale = scalesOf(scales, place, c, width, isHalf)
    const minimum = minimumsOf(minimums, scale, bits, place, c, width, isHalf)
    v128.store(room + ((<usize>c) << 2), f32x4.mul(x, scale))
    offset = f32x4.add(offset, f32x4.mul(x, minimum))
  }
  return sumLanes(offset)
}

/** The same where runs of 16 columns at least have one scale: Σ over runs of scale · Σ q · code + minimum · Σ q. */
function queriesTimesRuns(
  q: usize,
  count: i32,
  codes: usize,
  bits: i32,
  lines: i32,
  columns: i32,
  height: i32,
  width: i32,
  scales: usize,
  minimums: usize,
  isHalf: bool,
  room: usize,
  y: usize,
): void {
  const step = <usize>(2 * bits)
  const groups = (columns + width - 1) / width
  const zero = <f32>(1 << (bits - 1))
  for (let m = 0; m < count; m++, q += (<usize>columns) << 2) {
    for (let g = 0; g < groups; g++) {
      let all = f32x4.splat(0)
      for (let c = g * width; c < min(columns, (g + 1) * width); c += 4) all = f32x4.add(all, v128.load(q + ((<usize>c) << 2)))
      store<f32>(room + ((<usize>g) << 2), sumLanes(all))
    }
    let code = codes
    for (let line = 0; line < lines; line++, y += 4) {
      let total: f32 = 0
      for (let g = 0, place = (line / height) * groups; g < groups; g++, place++) {
        const scale = f32x4.extract_lane(splatAt(scales, place, isHalf), 0)
        const minimum = minimums == 0 ? -scale * zero : f32x4.extract_lane(splatAt(minimums, place, isHalf), 0)
        let sum = f32x4.splat(0)
        for (let c = g * width; c < min(columns, (g + 1) * width); c += 16, code += step)
          sum = f32x4.add(sum, dotSixteen(codesAt(code, bits), q + ((<usize>c) << 2)))
        total += scale * sumLanes(sum) + minimum * load<f32>(room + ((<usize>g) << 2))
      }
      store<f32>(y, total)
    }
  }
}

/**
 * y = q · Wᵀ: q (count, columns), codes (lines, columns · bits / 8), scales and minimums (⌈lines / height⌉, ⌈columns / width⌉) in float32
 * or halves, minimums 0 where zero is the middle code, room (columns), y (count, lines); columns are a multiple of 16, width is 1 or one.
 */
export function queriesTimesTiles(
  q: usize,
  count: i32,
  codes: usize,
  bits: i32,
  lines: i32,
  columns: i32,
  height: i32,
  width: i32,
  scales: usize,
  minimums: usize,
  isHalf: bool,
  room: usize,
  y: usize,
): void {
  if (width > 1) return queriesTimesRuns(q, count, codes, bits, lines, columns, height, width, scales, minimums, isHalf, room, y)
  const step = <usize>(2 * bits)
  const groups = (columns + width - 1) / width
  for (let m = 0; m < count; m++, q += (<usize>columns) << 2) {
    let code = codes
    for (let from = 0, place = 0; from < lines; from += height, place += groups) {
      const offset = scaledQuery(q, columns, bits, width, place, scales, minimums, isHalf, room)
      for (let line = from; line < min(lines, from + height); line++) {
        let sum = f32x4.splat(0)
        for (let c = 0; c < columns; c += 16) {
          sum = f32x4.add(sum, dotSixteen(codesAt(code, bits), room + ((<usize>c) << 2)))
          code += step
        }
        store<f32>(y, sumLanes(sum) + offset)
        y += 4
      }
    }
  }
}

// @ts-ignore: a decorator of the compiler
@inline
function floatsAt(codes: v128, quarter: i32): v128 {
  const words = quarter < 2 ? i16x8.extend_low_i8x16_u(codes) : i16x8.extend_high_i8x16_u(codes)
  return f32x4.convert_i32x4_u(quarter & 1 ? i32x4.extend_high_i16x8_u(words) : i32x4.extend_low_i16x8_u(words))
}

/** scale · inner + minimum · sum of four columns. */
// @ts-ignore: a decorator of the compiler
@inline
function settled(
  inner: v128,
  sum: f32,
  bits: i32,
  column: i32,
  width: i32,
  place: i32,
  scales: usize,
  minimums: usize,
  isHalf: bool,
): v128 {
  const scale = scalesOf(scales, place, column, width, isHalf)
  const minimum = minimumsOf(minimums, scale, bits, place, column, width, isHalf)
  return f32x4.add(f32x4.mul(inner, scale), f32x4.mul(minimum, f32x4.splat(sum)))
}

/** The same where runs of 16 columns at least have one scale: Σ (p · scale) · code + Σ p · minimum. */
function sharesTimesRuns(
  p: usize,
  count: i32,
  codes: usize,
  bits: i32,
  lines: i32,
  columns: i32,
  height: i32,
  width: i32,
  scales: usize,
  minimums: usize,
  isHalf: bool,
  y: usize,
): void {
  const apart = <usize>((columns * bits) >> 3)
  const groups = (columns + width - 1) / width
  const zero = <f32>(1 << (bits - 1))
  for (let m = 0; m < count; m++, p += (<usize>lines) << 2) {
    for (let c = 0; c < columns; c += 16, y += 64) {
      let first = f32x4.splat(0)
      let second = f32x4.splat(0)
      let third = f32x4.splat(0)
      let fourth = f32x4.splat(0)
      let offset: f32 = 0
      let code = codes + <usize>((c * bits) >> 3)
      for (let from = 0, place = c / width; from < lines; from += height, place += groups) {
        const scale = splatAt(scales, place, isHalf)
        const minimum = minimums == 0 ? -f32x4.extract_lane(scale, 0) * zero : f32x4.extract_lane(splatAt(minimums, place, isHalf), 0)
        for (let line = from; line < min(lines, from + height); line++, code += apart) {
          const share = v128.load32_splat(p + ((<usize>line) << 2))
          const weight = f32x4.mul(share, scale)
          const sixteen = codesAt(code, bits)
          first = f32x4.add(first, f32x4.mul(weight, floatsAt(sixteen, 0)))
          second = f32x4.add(second, f32x4.mul(weight, floatsAt(sixteen, 1)))
          third = f32x4.add(third, f32x4.mul(weight, floatsAt(sixteen, 2)))
          fourth = f32x4.add(fourth, f32x4.mul(weight, floatsAt(sixteen, 3)))
          offset += f32x4.extract_lane(share, 0) * minimum
        }
      }
      const away = f32x4.splat(offset)
      v128.store(y, f32x4.add(first, away))
      v128.store(y, f32x4.add(second, away), 16)
      v128.store(y, f32x4.add(third, away), 32)
      v128.store(y, f32x4.add(fourth, away), 48)
    }
  }
}

/** y = p · W: p (count, lines), y (count, columns); the rest as of `queriesTimesTiles`. */
export function sharesTimesTiles(
  p: usize,
  count: i32,
  codes: usize,
  bits: i32,
  lines: i32,
  columns: i32,
  height: i32,
  width: i32,
  scales: usize,
  minimums: usize,
  isHalf: bool,
  y: usize,
): void {
  if (width > 1) return sharesTimesRuns(p, count, codes, bits, lines, columns, height, width, scales, minimums, isHalf, y)
  const apart = <usize>((columns * bits) >> 3)
  const groups = (columns + width - 1) / width
  for (let m = 0; m < count; m++, p += (<usize>lines) << 2) {
    for (let c = 0; c < columns; c += 16, y += 64) {
      let first = f32x4.splat(0)
      let second = f32x4.splat(0)
      let third = f32x4.splat(0)
      let fourth = f32x4.splat(0)
      let code = codes + <usize>((c * bits) >> 3)
      for (let from = 0, place = 0; from < lines; from += height, place += groups) {
        let a = f32x4.splat(0)
        let b = f32x4.splat(0)
        let d = f32x4.splat(0)
        let e = f32x4.splat(0)
        let sum: f32 = 0
        for (let line = from; line < min(lines, from + height); line++, code += apart) {
          const share = load<f32>(p + ((<usize>line) << 2))
          const weight = f32x4.splat(share)
          const sixteen = codesAt(code, bits)
          a = f32x4.add(a, f32x4.mul(weight, floatsAt(sixteen, 0)))
          b = f32x4.add(b, f32x4.mul(weight, floatsAt(sixteen, 1)))
          d = f32x4.add(d, f32x4.mul(weight, floatsAt(sixteen, 2)))
          e = f32x4.add(e, f32x4.mul(weight, floatsAt(sixteen, 3)))
          sum += share
        }
        first = f32x4.add(first, settled(a, sum, bits, c, width, place, scales, minimums, isHalf))
        second = f32x4.add(second, settled(b, sum, bits, c + 4, width, place, scales, minimums, isHalf))
        third = f32x4.add(third, settled(d, sum, bits, c + 8, width, place, scales, minimums, isHalf))
        fourth = f32x4.add(fourth, settled(e, sum, bits, c + 12, width, place, scales, minimums, isHalf))
      }
      v128.store(y, first)
      v128.store(y, second, 16)
      v128.store(y, third, 32)
      v128.store(y, fourth, 48)
    }
  }
}
