/** Roots are good to this part of the terms they balance; the vectors are made orthogonal whatever is left. */
const PRECISION = 1e-11
/** Each step at least halves what can contain the root. */
const MOST_STEPS = 120

/**
 * Gives the i-th root λ of 1/ρ + Σ z_k² / (d_k − λ) = 0, which lies between d_i and d_{i+1}, or above the last d; d: (k), ascending, ρ > 0.
 * Writes d_k − λ to `differences`, each without cancellation, since λ is kept as a distance from the nearer pole.
 * Each step fits one pole to the terms on either side of the root (Bunch, Nielsen and Sorensen 1978); bisection where that leaves the bracket.
 */
export function secularRoot(d: Float64Array, z: Float64Array, rho: number, index: number, differences: Float64Array): number {
  const size = d.length
  const last = index === size - 1
  const gap = last ? rho : d[index + 1]! - d[index]!
  const nearer = last || balance(d, z, rho, index, d[index]!, gap / 2).value >= 0
  const origin = d[nearer ? index : index + 1]!
  let [low, high] = nearer ? [0, last ? gap : gap / 2] : [-gap / 2, 0]
  let offset = (low + high) / 2
  for (let step = 0; step < MOST_STEPS; step++) {
    const { value, left, right, size: terms } = balance(d, z, rho, index, origin, offset)
    if (Math.abs(value) <= PRECISION * terms) break
    if (value > 0) high = offset
    else low = offset
    const below = d[index]! - origin - offset
    const next = offset + (last ? onePole(value, left, below) : twoPoles(value, left, right, below, d[index + 1]! - origin - offset))
    const moved = next > low && next < high ? next : (low + high) / 2
    if (moved === offset || high - low <= Number.EPSILON * Math.max(Math.abs(low), Math.abs(high))) break
    offset = moved
  }
  for (let k = 0; k < size; k++) differences[k] = d[k]! - origin - offset
  return origin + offset
}

interface Balance {
  readonly value: number
  /** Derivatives of the terms up to the index and behind it. */
  readonly left: number
  readonly right: number
  readonly size: number
}

function balance(d: Float64Array, z: Float64Array, rho: number, index: number, origin: number, offset: number): Balance {
  let [below, above, left, right] = [0, 0, 0, 0]
  for (let k = 0; k <= index; k++) {
    const quotient = z[k]! / (d[k]! - origin - offset)
    below += z[k]! * quotient
    left += quotient * quotient
  }
  for (let k = index + 1; k < d.length; k++) {
    const quotient = z[k]! / (d[k]! - origin - offset)
    above += z[k]! * quotient
    right += quotient * quotient
  }
  return { value: 1 / rho + below + above, left, right, size: 1 / rho - below + above }
}

/** The step to the root of c + s / (below − η), fitted to value and derivative. */
const onePole = (value: number, left: number, below: number): number => below + (below * below * left) / (value - below * left)

/** The step to the root of c + s / (below − η) + t / (above − η). */
function twoPoles(value: number, left: number, right: number, below: number, above: number): number {
  const c = value - below * left - above * right
  const a = (below + above) * value - below * above * (left + right)
  const b = below * above * value
  const root = Math.sqrt(Math.max(0, a * a - 4 * b * c))
  return a <= 0 ? (a - root) / (2 * c) : (2 * b) / (a + root)
}
