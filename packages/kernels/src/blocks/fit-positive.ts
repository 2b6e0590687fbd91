import { TINY } from './fit-symmetric.js'
import { nearestInt } from './nearest.js'

const { fround } = Math
const TENTH = fround(0.1)
const SHIFTS = 4
const ROUNDS = 5

/**
 * The weighted squared error of codes round(x / scale), at most `top`. The first candidate's codes are bytes in ggml: where
 * rounding left a value just below zero, its code there is one just below 256, which decides what else is tried.
 */
const errorAt = (x: Float32Array, top: number, inverse: number, weights: Float32Array, asBytes: boolean): number => {
  const scale = fround(1 / inverse)
  let error = 0
  for (let i = 0; i < x.length; i++) {
    const nearest = nearestInt(fround(inverse * x[i]))
    const code = asBytes ? nearest & 0xff : Math.min(top, nearest)
    const difference = fround(x[i] - fround(scale * code))
    error = fround(error + fround(fround(weights[i] * difference) * difference))
  }
  return error
}

/** The inverse scale of least error among the one that puts the largest value on `top` and eight beside it. */
const bestInverse = (x: Float32Array, top: number, largest: number, weights: Float32Array): number => {
  let best = fround(top / largest)
  let bestError = errorAt(x, top, best, weights, true)
  for (let shift = -SHIFTS; shift <= SHIFTS; shift++) {
    if (shift === 0) continue
    const inverse = fround(fround(fround(TENTH * shift) + top) / largest)
    const error = errorAt(x, top, inverse, weights, false)
    if (!(error < bestError)) continue
    bestError = error
    best = inverse
  }
  return best
}

/**
 * Finds one scale for values that are not negative on the grid 0 … top, and writes the codes; returns the scale. After the search
 * over scales, each code may move where that lowers the weighted error, in up to five rounds. Used on the scales of super-blocks.
 */
export const fitPositive = (x: Float32Array, top: number, weights: Float32Array, codes: Uint8Array): number => {
  let largest = 0
  for (let i = 0; i < x.length; i++) largest = largest > x[i] ? largest : x[i]
  if (largest < TINY) {
    codes.fill(0)
    return 0
  }
  const inverse = bestInverse(x, top, largest, weights)
  let xl = 0
  let ll = 0
  for (let i = 0; i < x.length; i++) {
    const code = Math.min(top, nearestInt(fround(inverse * x[i])))
    codes[i] = code
    xl = fround(xl + fround(fround(weights[i] * x[i]) * code))
    ll = fround(ll + fround(fround(weights[i] * code) * code))
  }
  for (let round = 0, moved = true; round < ROUNDS && moved; round++) {
    moved = false
    for (let i = 0; i < x.length; i++) {
      const weight = weights[i]
      const weighted = fround(weight * x[i])
      let otherXl = fround(xl - fround(weighted * codes[i]))
      let otherLl = fround(ll - fround(fround(weight * codes[i]) * codes[i]))
      if (!(otherXl > 0 && otherLl > 0)) continue
      const next = Math.min(top, nearestInt(fround(fround(x[i] * otherLl) / otherXl)))
      if (next === codes[i]) continue
      otherXl = fround(otherXl + fround(weighted * next))
      otherLl = fround(otherLl + fround(fround(weight * next) * next))
      if (!(fround(fround(otherXl * otherXl) * ll) > fround(fround(xl * xl) * otherLl))) continue
      codes[i] = next
      xl = otherXl
      ll = otherLl
      moved = true
    }
  }
  return ll > 0 ? fround(xl / ll) : 0
}
