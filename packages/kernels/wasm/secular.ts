/** Roots are good to this part of the terms they balance; the vectors are made orthogonal whatever is left. */
const PRECISION: f64 = 1e-11
/** Each step at least halves what can contain the root. */
const MOST_STEPS = 120

// what `sum` and `balance` find besides what they give
let slope: f64 = 0
let leftSlope: f64 = 0
let rightSlope: f64 = 0
let terms: f64 = 0

function at(base: usize, index: i32): usize {
  return base + ((<usize>index) << 3)
}

/** Σ z_k² / δ_k over from ≤ k < to for δ_k = (d_k − origin) − offset; `slope` becomes Σ z_k² / δ_k². */
function sum(d: usize, z: usize, from: i32, to: i32, origin: f64, offset: f64): f64 {
  const origins = f64x2.splat(origin)
  const offsets = f64x2.splat(offset)
  let values = f64x2.splat(0)
  let slopes = f64x2.splat(0)
  let k = from
  for (; k + 2 <= to; k += 2) {
    const weight = v128.load(at(z, k))
    const quotient = f64x2.div(weight, f64x2.sub(f64x2.sub(v128.load(at(d, k)), origins), offsets))
    values = f64x2.add(values, f64x2.mul(weight, quotient))
    slopes = f64x2.add(slopes, f64x2.mul(quotient, quotient))
  }
  let value = f64x2.extract_lane(values, 0) + f64x2.extract_lane(values, 1)
  slope = f64x2.extract_lane(slopes, 0) + f64x2.extract_lane(slopes, 1)
  for (; k < to; k++) {
    const quotient = load<f64>(at(z, k)) / (load<f64>(at(d, k)) - origin - offset)
    value += load<f64>(at(z, k)) * quotient
    slope += quotient * quotient
  }
  return value
}

/** 1/ρ + Σ z_k² / δ_k; `leftSlope` takes the terms up to the index, `rightSlope` those behind it. */
function balance(d: usize, z: usize, size: i32, rho: f64, index: i32, origin: f64, offset: f64): f64 {
  const below = sum(d, z, 0, index + 1, origin, offset)
  leftSlope = slope
  const above = sum(d, z, index + 1, size, origin, offset)
  rightSlope = slope
  terms = 1 / rho - below + above
  return 1 / rho + below + above
}

/** The step to the root of c + s / (below − η), fitted to value and derivative. */
function onePole(value: f64, below: f64): f64 {
  return below + (below * below * leftSlope) / (value - below * leftSlope)
}

/** The step to the root of c + s / (below − η) + t / (above − η). */
function twoPoles(value: f64, below: f64, above: f64): f64 {
  const c = value - below * leftSlope - above * rightSlope
  const a = (below + above) * value - below * above * (leftSlope + rightSlope)
  const b = below * above * value
  const root = sqrt(max(0, a * a - 4 * b * c))
  return a <= 0 ? (a - root) / (2 * c) : (2 * b) / (a + root)
}

/**
 * Writes the i-th root λ of 1/ρ + Σ z_k² / (d_k − λ) = 0 to `roots` and d_k − λ to row i of `differences`, for all i; d ascending, ρ > 0.
 * It lies between d_i and d_{i+1}, or above the last d, and is kept as a distance from the nearer one, so that nothing cancels.
 * Each step fits one pole to the terms on either side of the root (Bunch, Nielsen and Sorensen 1978); bisection where that leaves the bracket.
 */
export function secularRoots(d: usize, z: usize, size: i32, rho: f64, roots: usize, differences: usize): void {
  for (let index = 0; index < size; index++) {
    const own = load<f64>(at(d, index))
    const last = index == size - 1
    const gap = last ? rho : load<f64>(at(d, index + 1)) - own
    const nearer = last || balance(d, z, size, rho, index, own, gap / 2) >= 0
    const origin = nearer ? own : own + gap
    let low = nearer ? 0 : -gap / 2
    let high = nearer ? (last ? gap : gap / 2) : 0
    let offset = (low + high) / 2
    for (let step = 0; step < MOST_STEPS; step++) {
      const value = balance(d, z, size, rho, index, origin, offset)
      if (abs(value) <= PRECISION * terms) break
      if (value > 0) high = offset
      else low = offset
      const below = own - origin - offset
      const next = offset + (last ? onePole(value, below) : twoPoles(value, below, load<f64>(at(d, index + 1)) - origin - offset))
      const moved = next > low && next < high ? next : (low + high) / 2
      if (moved == offset || high - low <= f64.EPSILON * max(abs(low), abs(high))) break
      offset = moved
    }
    store<f64>(at(roots, index), origin + offset)
    for (let k = 0; k < size; k++) store<f64>(at(differences, index * size + k), load<f64>(at(d, k)) - origin - offset)
  }
}

/** Entries from ≤ k < to of squares ← squares · (d_k − λ_i) / (d_k − d_i). */
function multiplyQuotients(squares: usize, row: usize, d: usize, own: f64, from: i32, to: i32): void {
  const owns = f64x2.splat(own)
  let k = from
  for (; k + 2 <= to; k += 2) {
    const quotient = f64x2.div(v128.load(at(row, k)), f64x2.sub(v128.load(at(d, k)), owns))
    v128.store(at(squares, k), f64x2.mul(v128.load(at(squares, k)), quotient))
  }
  for (; k < to; k++) store<f64>(at(squares, k), (load<f64>(at(squares, k)) * load<f64>(at(row, k))) / (load<f64>(at(d, k)) - own))
}

/**
 * Row i of `vectors`, (size, size) in float32: the unit vector along z̃_k / (d_k − λ_i), where z̃ is what the computed roots are exact for,
 * z̃_k² = Π_i (λ_i − d_k) / Π_{i≠k} (d_i − d_k), so that the rows are orthogonal however close the roots lie (Gu and Eisenstat 1995).
 * Overwrites `differences`; `squares` has room for `size` doubles.
 */
export function secularVectors(d: usize, z: usize, size: i32, differences: usize, squares: usize, vectors: usize): void {
  for (let k = 0; k < size; k++) store<f64>(at(squares, k), 1)
  for (let i = 0; i < size; i++) {
    const row = at(differences, i * size)
    const own = load<f64>(at(d, i))
    multiplyQuotients(squares, row, d, own, 0, i)
    multiplyQuotients(squares, row, d, own, i + 1, size)
    store<f64>(at(squares, i), load<f64>(at(squares, i)) * load<f64>(at(row, i)))
  }
  for (let k = 0; k < size; k++) {
    const root = sqrt(abs(load<f64>(at(squares, k))))
    store<f64>(at(squares, k), load<f64>(at(z, k)) < 0 ? -root : root)
  }
  for (let i = 0; i < size; i++) divideRow(at(differences, i * size), squares, size, vectors + ((<usize>(i * size)) << 2))
}

/** target ← z / row, scaled to length 1. */
function divideRow(row: usize, z: usize, size: i32, target: usize): void {
  let squares = f64x2.splat(0)
  let k = 0
  for (; k + 2 <= size; k += 2) {
    const quotient = f64x2.div(v128.load(at(z, k)), v128.load(at(row, k)))
    v128.store(at(row, k), quotient)
    squares = f64x2.add(squares, f64x2.mul(quotient, quotient))
  }
  let square = f64x2.extract_lane(squares, 0) + f64x2.extract_lane(squares, 1)
  for (; k < size; k++) {
    const quotient = load<f64>(at(z, k)) / load<f64>(at(row, k))
    store<f64>(at(row, k), quotient)
    square += quotient * quotient
  }
  const scale = 1 / sqrt(square)
  for (k = 0; k < size; k++) store<f32>(target + ((<usize>k) << 2), <f32>(scale * load<f64>(at(row, k))))
}
