/** The sum of four lanes. */
export function sumLanes(v: v128): f32 {
  const pair = f32x4.add(v, i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7))
  return f32x4.extract_lane(pair, 0) + f32x4.extract_lane(pair, 1)
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

/**
 * A column of the sweep in float32, (length): e = (w − q) / diagonal in place of w, and for the `count` columns behind w, which
 * follow it in memory, w_k ← w_k − u_k · e. Gives Σ e² / 2.
 */
export function sweepColumn(w: usize, q: usize, diagonal: f32, u: usize, count: i32, length: i32): f64 {
  let loss: f64 = 0
  const size = (<usize>length) << 2
  for (let at: usize = 0; at < size; at += 4) {
    const e = (load<f32>(w + at) - load<f32>(q + at)) / diagonal
    store<f32>(w + at, e)
    loss += <f64>e * <f64>e
  }
  for (let k = 0; k < count; k++) subtractMultiple(w + <usize>(k + 1) * size, w, load<f32>(u + ((<usize>k) << 2)), size)
  return loss / 2
}

/**
 * A column whose rows have lines of their own, (length): codes, clamp(round(w / scale) + zero, 0, top), ties to even, as bytes, and
 * q = (code − zero) · scale. Quotients are doubles, as plain JavaScript has them.
 */
export function roundColumn(w: usize, scales: usize, zeros: usize, top: i32, length: i32, codes: usize, q: usize): void {
  const tops = f64x2.splat(<f64>top)
  let i = 0
  for (; i + 2 <= length; i += 2) {
    const at = (<usize>i) << 2
    const zero = f64x2.promote_low_f32x4(v128.load64_zero(zeros + at))
    const scale = v128.load64_zero(scales + at)
    const steps = f64x2.nearest(f64x2.div(f64x2.promote_low_f32x4(v128.load64_zero(w + at)), f64x2.promote_low_f32x4(scale)))
    const code = f64x2.pmin(tops, f64x2.pmax(f64x2.splat(0), f64x2.add(steps, zero)))
    const whole = i32x4.trunc_sat_f64x2_s_zero(code)
    store<u8>(codes + <usize>i, <u8>i32x4.extract_lane(whole, 0))
    store<u8>(codes + <usize>i, <u8>i32x4.extract_lane(whole, 1), 1)
    v128.store64_lane(q + at, f32x4.mul(f32x4.demote_f64x2_zero(f64x2.sub(code, zero)), scale), 0)
  }
  for (; i < length; i++) {
    const at = (<usize>i) << 2
    const zero = <f64>load<f32>(zeros + at)
    const scale = load<f32>(scales + at)
    const code = min(<f64>top, max(0, nearest(<f64>load<f32>(w + at) / <f64>scale) + zero))
    store<u8>(codes + <usize>i, <u8>code)
    store<f32>(q + at, <f32>(code - zero) * scale)
  }
}

/** y ← y − factor · x in float32, `size` in bytes. */
function subtractMultiple(y: usize, x: usize, factor: f32, size: usize): void {
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
