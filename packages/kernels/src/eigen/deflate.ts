/** Half the distance of neighbouring float32 numbers at 1: what is smaller than a few of these is lost in the vectors anyway. */
const EPSILON = 2 ** -24

/**
 * Finds what of diag(values) + ρ z·zᵀ is an eigenvalue already: entries of z that are negligible, and of values that nearly agree all but one,
 * for which the rows, (n, n), are rotated. Gives the positions of the others by ascending value.
 */
export function deflate(values: Float64Array, z: Float64Array, rho: number, rows: Float32Array): Int32Array {
  const order = Array.from(values.keys()).sort((i, j) => values[i] - values[j] || i - j)
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), rho)
  const tolerance = 8 * EPSILON * largest
  const kept: number[] = []
  for (const at of order) {
    if (rho * Math.abs(z[at]) <= tolerance) continue
    const before = kept.at(-1)
    if (before !== undefined && merge(values, z, rows, before, at, tolerance)) kept.pop()
    kept.push(at)
  }
  return Int32Array.from(kept)
}

/** Rotates two neighbours such that only the second has a weight, if their values are so close that this couples nothing. */
function merge(values: Float64Array, z: Float64Array, rows: Float32Array, first: number, second: number, tolerance: number): boolean {
  const length = Math.hypot(z[first], z[second])
  const cosine = z[second] / length
  const sine = z[first] / length
  const [p, q] = [values[first], values[second]]
  if (Math.abs((q - p) * cosine * sine) > tolerance) return false
  z[first] = 0
  z[second] = length
  values[first] = p * cosine * cosine + q * sine * sine
  values[second] = p * sine * sine + q * cosine * cosine
  const n = values.length
  for (let column = 0; column < n; column++) {
    const x = rows[first * n + column]
    const y = rows[second * n + column]
    rows[first * n + column] = cosine * x - sine * y
    rows[second * n + column] = sine * x + cosine * y
  }
  return true
}
