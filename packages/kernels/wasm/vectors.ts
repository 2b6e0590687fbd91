/** The sum of four lanes. */
// @ts-ignore: a decorator of the compiler
@inline
export function sumLanes(v: v128): f32 {
  const pair = f32x4.add(v, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7))
  return f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1)
}

/** The largest of four lanes. */
export function largestLane(v: v128): f32 {
  const half = f32x4.pmax(v, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7))
  return max(f32x4.extract_lane(half, 0), f32x4.extract_lane(half, 1))
}

/** Σ x_i y_i in doubles. */
export function dot(x: usize, y: usize, length: i32): f64 {
  let first = f64x2.splat(0)
  let second = f64x2.splat(0)
  let at = 0
  for (; at + 4 <= length; at += 4) {
    const offset = (<usize>at) << 3
    first = f64x2.add(first, f64x2.mul(v128.load(x + offset), v128.load(y + offset)))
    second = f64x2.add(second, f64x2.mul(v128.load(x + offset, 16), v128.load(y + offset, 16)))
  }
  first = f64x2.add(first, second)
  let sum = f64x2.extract_lane(first, 0) + f64x2.extract_lane(first, 1)
  for (; at < length; at++) sum += load<f64>(x + ((<usize>at) << 3)) * load<f64>(y + ((<usize>at) << 3))
  return sum
}

/** y ← y − factor · x in doubles. */
export function subtractScaled(y: usize, x: usize, factor: f64, length: i32): void {
  const factors = f64x2.splat(factor)
  let at = 0
  for (; at + 2 <= length; at += 2) {
    const offset = (<usize>at) << 3
    v128.store(y + offset, f64x2.sub(v128.load(y + offset), f64x2.mul(factors, v128.load(x + offset))))
  }
  for (; at < length; at++) {
    const offset = (<usize>at) << 3
    store<f64>(y + offset, load<f64>(y + offset) - factor * load<f64>(x + offset))
  }
}

/** y ← y − factor · x in float32, `size` in bytes. */
export function subtractMultiple(y: usize, x: usize, factor: f32, size: usize): void {
  const factors = f32x4.splat(factor)
  let at: usize = 0
  for (; at + 64 <= size; at += 64) {
    v128.store(y + at, f32x4.sub(v128.load(y + at), f32x4.mul(factors, v128.load(x + at))))
    v128.store(y + at, f32x4.sub(v128.load(y + at, 16), f32x4.mul(factors, v128.load(x + at, 16))), 16)
    v128.store(y + at, f32x4.sub(v128.load(y + at, 32), f32x4.mul(factors, v128.load(x + at, 32))), 32)
    v128.store(y + at, f32x4.sub(v128.load(y + at, 48), f32x4.mul(factors, v128.load(x + at, 48))), 48)
  }
  for (; at < size; at += 4) store<f32>(y + at, load<f32>(y + at) - factor * load<f32>(x + at))
}
