import { clamp, nearestInt } from './nearest.js'

const { fround, abs } = Math

/** Which inverse scales are tried: (top + start + step · i) / (largest − smallest), i = 0 … steps. */
export interface Sweep {
  readonly start: number
  readonly step: number
  readonly steps: number
  /** Compares candidates by weighted absolute error, not squared. */
  readonly absolute: boolean
}

const sweep = (start: number, step: number, steps: number, absolute = false): Sweep =>
  Object.freeze({ start: fround(start), step: fround(step), steps, absolute })

/** The sweeps in use: coarse ones without an importance matrix, a fine one with it. */
export const SWEEPS = Object.freeze({
  q2: sweep(-0.5, 0.1, 15, true),
  q4: sweep(-1, 0.1, 20),
  q5: sweep(-0.5, 0.1, 15),
  weighted: sweep(-0.9, 0.05, 36),
})

/** Room for one group, made once a tensor. */
export interface AffineRoom {
  readonly size: number
  /** To be filled before a fit. */
  readonly weights: Float32Array
  readonly trial: Uint8Array
  /** Scale and minimum: of the best fit, then of the candidate. */
  readonly lines: Float32Array
}

export const affineRoom = (size: number): AffineRoom => ({
  size,
  weights: new Float32Array(size),
  trial: new Uint8Array(size),
  lines: new Float32Array(4),
})

const CANDIDATE = 2

/** Writes the codes round((x − minimum) · inverse). */
const round = (
  x: Float32Array,
  from: number,
  size: number,
  top: number,
  inverse: number,
  minimum: number,
  codes: Uint8Array,
  at: number,
): void => {
  for (let i = 0; i < size; i++) codes[at + i] = clamp(nearestInt(fround(inverse * fround(x[from + i] - minimum))), 0, top)
}

/** The weighted error of scale · code + minimum. */
const errorOf = (
  x: Float32Array,
  from: number,
  room: AffineRoom,
  codes: Uint8Array,
  at: number,
  scale: number,
  minimum: number,
  absolute: boolean,
): number => {
  const { size, weights } = room
  let error = 0
  for (let i = 0; i < size; i++) {
    const difference = fround(fround(fround(scale * codes[at + i]) + minimum) - x[from + i])
    error = fround(error + fround(weights[i] * (absolute ? abs(difference) : fround(difference * difference))))
  }
  return error
}

/**
 * Writes the trial's codes round((x − smallest) · inverse) and the weighted regression of x on them, with a minimum that is not
 * positive; false where the codes are all one. One loop for both: the sums wait for each other less.
 */
const attempt = (
  x: Float32Array,
  from: number,
  top: number,
  inverse: number,
  smallest: number,
  { size, weights, trial, lines }: AffineRoom,
  sumW: number,
  sumX: number,
): boolean => {
  let sumL = 0
  let sumLL = 0
  let sumXL = 0
  for (let i = 0; i < size; i++) {
    const value = x[from + i]
    const code = clamp(nearestInt(fround(inverse * fround(value - smallest))), 0, top)
    trial[i] = code
    const weighted = fround(weights[i] * code)
    sumL = fround(sumL + weighted)
    sumLL = fround(sumLL + fround(weighted * code))
    sumXL = fround(sumXL + fround(weighted * value))
  }
  const determinant = fround(fround(sumW * sumLL) - fround(sumL * sumL))
  if (!(determinant > 0)) return false
  const minimum = fround(fround(fround(sumLL * sumX) - fround(sumL * sumXL)) / determinant)
  const through = minimum > 0
  lines[CANDIDATE] = through ? sumXL / sumLL : fround(fround(sumW * sumXL) - fround(sumX * sumL)) / determinant
  lines[CANDIDATE + 1] = through ? 0 : minimum
  return true
}

/**
 * Finds scale and minimum for a group, x ≈ scale · code + minimum with minimum ≤ 0 and codes 0 … top, and writes the codes.
 * Starts from the range of the group; every inverse scale of the sweep gives codes, and weighted least squares the best line for
 * them; the line of least weighted error wins. Scale and minimum are then in `room.lines`.
 */
export const fitAffine = (
  x: Float32Array,
  from: number,
  top: number,
  tries: Sweep,
  room: AffineRoom,
  codes: Uint8Array,
  at: number,
): void => {
  const { size, weights, trial, lines } = room
  let smallest = x[from]
  let largest = smallest
  let sumW = weights[0]
  let sumX = fround(sumW * smallest)
  for (let i = 1; i < size; i++) {
    const value = x[from + i]
    if (value < smallest) smallest = value
    if (value > largest) largest = value
    sumW = fround(sumW + weights[i])
    sumX = fround(sumX + fround(weights[i] * value))
  }
  if (smallest > 0) smallest = 0
  lines[0] = 0
  lines[1] = smallest
  if (largest === smallest) {
    codes.fill(0, at, at + size)
    return
  }
  const range = fround(largest - smallest)
  const first = fround(top / range)
  lines[0] = 1 / first
  round(x, from, size, top, first, smallest, codes, at)
  let best = errorOf(x, from, room, codes, at, lines[0], smallest, tries.absolute)
  for (let i = 0; i <= tries.steps; i++) {
    const shifted = fround(fround(tries.start + fround(tries.step * i)) + top)
    // Candidates count from the minimum of the best line so far.
    const inverse = fround(shifted / fround(largest - lines[1]))
    if (!attempt(x, from, top, inverse, lines[1], room, sumW, sumX)) continue
    const error = errorOf(x, from, room, trial, 0, lines[CANDIDATE], lines[CANDIDATE + 1], tries.absolute)
    if (!(error < best)) continue
    best = error
    lines[0] = lines[CANDIDATE]
    lines[1] = lines[CANDIDATE + 1]
    codes.set(trial, at)
  }
}
