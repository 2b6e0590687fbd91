import { sumLanes } from './vectors'

/**
 * y = x · Wᵀ where W keeps two of every four columns: x (count, columns), mask one bit an entry, (rows, columns / 8) bytes, values
 * (rows, columns / 2), y (count, rows). `patterns` holds, for each mask of four, the bytes of a vector of four that it keeps: 16 patterns
 * that leave them in the lower half, then 16 for the upper half.
 */
export function multiplyTwoOfFour(
  x: usize,
  count: i32,
  mask: usize,
  values: usize,
  patterns: usize,
  rows: i32,
  columns: i32,
  y: usize,
): void {
  const bytes = columns >> 3
  for (let m = 0; m < count; m++) {
    let at = mask
    let value = values
    for (let n = 0; n < rows; n++) {
      let sum = f32x4.splat(0)
      let from = x
      for (let b = 0; b < bytes; b++) {
        const eight = <usize>load<u8>(at)
        const low = i8x16.swizzle(v128.load(from), v128.load(patterns + ((eight & 15) << 4)))
        const high = i8x16.swizzle(v128.load(from, 16), v128.load(patterns + ((eight >> 4) << 4), 256))
        sum = f32x4.add(sum, f32x4.mul(v128.or(low, high), v128.load(value)))
        at += 1
        from += 32
        value += 16
      }
      store<f32>(y, sumLanes(sum))
      y += 4
    }
    x += (<usize>columns) << 2
  }
}

/**
 * y = x · Wᵀ where W keeps whole groups of columns: x (count, columns), starts (rows + 1) into groups, groups their positions in a row,
 * values (kept groups, group), y (count, rows); group is a multiple of 4.
 */
export function multiplyGroupSparse(
  x: usize,
  count: i32,
  starts: usize,
  groups: usize,
  values: usize,
  group: i32,
  rows: i32,
  columns: i32,
  y: usize,
): void {
  const size = (<usize>group) << 2
  for (let m = 0; m < count; m++) {
    let value = values
    for (let n = 0; n < rows; n++) {
      let sum = f32x4.splat(0)
      const end = load<i32>(starts + ((<usize>n) << 2), 4)
      for (let g = load<i32>(starts + ((<usize>n) << 2)); g < end; g++) {
        const from = x + <usize>load<i32>(groups + ((<usize>g) << 2)) * size
        for (let at: usize = 0; at < size; at += 16) {
          sum = f32x4.add(sum, f32x4.mul(v128.load(from + at), v128.load(value + at)))
        }
        value += size
      }
      store<f32>(y, sumLanes(sum))
      y += 4
    }
    x += (<usize>columns) << 2
  }
}
