/**
 * One step of Adam where the numbers lie, (length) each: m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², w ← keep·w − rate·(m / (√v + ε)),
 * in the order, and so with the bits, of single operations in float32.
 */
export function adamStep(
  w: usize,
  g: usize,
  m: usize,
  v: usize,
  length: i32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  rate: f32,
  epsilon: f32,
  keep: f32,
): void {
  const b1 = f32x4.splat(beta1)
  const r1 = f32x4.splat(rest1)
  const b2 = f32x4.splat(beta2)
  const r2 = f32x4.splat(rest2)
  const scale = f32x4.splat(rate)
  const offset = f32x4.splat(epsilon)
  const kept = f32x4.splat(keep)
  // arrays have room for a whole vector behind their last number
  for (let at = 0; at < length; at += 4) {
    const i = (<usize>at) << 2
    const gradient = v128.load(g + i)
    const mean = f32x4.add(f32x4.mul(v128.load(m + i), b1), f32x4.mul(gradient, r1))
    const square = f32x4.add(f32x4.mul(v128.load(v + i), b2), f32x4.mul(f32x4.mul(gradient, gradient), r2))
    const step = f32x4.mul(f32x4.div(mean, f32x4.add(f32x4.sqrt(square), offset)), scale)
    v128.store(m + i, mean)
    v128.store(v + i, square)
    v128.store(w + i, f32x4.sub(f32x4.mul(v128.load(w + i), kept), step))
  }
}
