import { nearestInt, clamp } from './nearest.js'

const { fround, abs } = Math

/** Groups of smaller magnitude are taken for zeros. */
export const TINY = fround(1e-15)
const TENTH = fround(0.1)
const SHIFTS = 9
const ROUNDS = 5

/** The signed value of largest magnitude, the first one of equals. */
export const extremeOf = (x: Float32Array, from: number, size: number): number => {
  let magnitude = 0
  let value = 0
  for (let i = from; i < from + size; i++) {
    const candidate = abs(x[i])
    if (candidate > magnitude) {
      magnitude = candidate
      value = x[i]
    }
  }
  return value
}

/**
 * Finds one scale for a group on the grid −half … half − 1 and writes the codes, which count from −half; returns the scale.
 * Codes of a scale s are round(x / s); of each candidate, the best scale for its codes is Σ w·x·code / Σ w·code². Tried are the
 * scale that puts the extreme value on −half and 18 beside it; the least weighted squared error wins. Sums are float32 sums.
 */
export const fitSymmetric = (
  x: Float32Array,
  from: number,
  size: number,
  half: number,
  weights: Float32Array,
  weightsFrom: number,
  codes: Uint8Array,
  codesAt: number,
): number => {
  const extreme = extremeOf(x, from, size)
  if (abs(extreme) < TINY) {
    codes.fill(0, codesAt, codesAt + size)
    return 0
  }
  let scale = 0
  let best = 0
  for (let trial = 0; trial <= 2 * SHIFTS; trial++) {
    // The unshifted scale comes first, then −9 … 9 without it.
    const shift = trial === 0 ? 0 : trial <= SHIFTS ? trial - SHIFTS - 1 : trial - SHIFTS
    const inverse = fround(-fround(half + fround(TENTH * shift)) / extreme)
    let xl = 0
    let ll = 0
    for (let i = 0; i < size; i++) {
      const value = x[from + i]
      const code = clamp(nearestInt(fround(inverse * value)), -half, half - 1)
      const weight = weights[weightsFrom + i]
      xl = fround(xl + fround(fround(weight * value) * code))
      ll = fround(ll + fround(fround(weight * code) * code))
    }
    const wins = trial === 0 || (ll > 0 && fround(xl * xl) > fround(best * ll))
    if (!wins) continue
    for (let i = 0; i < size; i++) codes[codesAt + i] = half + clamp(nearestInt(fround(inverse * x[from + i])), -half, half - 1)
    scale = ll === 0 ? 0 : fround(xl / ll)
    best = fround(scale * xl)
  }
  return scale
}

/**
 * The same grid, weighted by x², searched code by code: each may move to the nearest one for the scale that the others want,
 * where that lowers the error; up to five rounds. Writes the codes, which count from −half, and returns the scale.
 */
export const refineSymmetric = (x: Float32Array, from: number, size: number, half: number, codes: Uint8Array, codesAt: number): number => {
  const extreme = extremeOf(x, from, size)
  if (abs(extreme) < TINY) {
    codes.fill(0, codesAt, codesAt + size)
    return 0
  }
  const inverse = fround(-half / extreme)
  let xl = 0
  let ll = 0
  for (let i = 0; i < size; i++) {
    const value = x[from + i]
    const code = clamp(nearestInt(fround(inverse * value)), -half, half - 1)
    codes[codesAt + i] = half + code
    const weight = fround(value * value)
    xl = fround(xl + fround(fround(weight * value) * code))
    ll = fround(ll + fround(fround(weight * code) * code))
  }
  for (let round = 0, moved = true; round < ROUNDS && moved; round++) {
    moved = false
    for (let i = 0; i < size; i++) {
      const value = x[from + i]
      const code = codes[codesAt + i] - half
      const weight = fround(value * value)
      const weighted = fround(weight * value)
      let otherXl = fround(xl - fround(weighted * code))
      if (!(otherXl > 0)) continue
      let otherLl = fround(ll - fround(fround(weight * code) * code))
      const next = clamp(nearestInt(fround(fround(value * otherLl) / otherXl)), -half, half - 1)
      if (next === code) continue
      otherXl = fround(otherXl + fround(weighted * next))
      otherLl = fround(otherLl + fround(fround(weight * next) * next))
      if (!(otherLl > 0 && fround(fround(otherXl * otherXl) * ll) > fround(fround(xl * xl) * otherLl))) continue
      codes[codesAt + i] = half + next
      xl = otherXl
      ll = otherLl
      moved = true
    }
  }
  return ll > 0 ? fround(xl / ll) : 0
}
