import { affineOf, defineMethod, integer, positive } from '@tersor/core'
import { decodeF16, encodeF16, roundHalfEven } from '@tersor/tensor'
import { storedScale } from './grid.js'

interface Settings {
  readonly bits: number
  readonly norm: number
  readonly beta: number
  readonly iterations: number
}

interface Fit {
  readonly zero: number
  readonly codes: Uint8Array
  /** Σ |w − ŵ|. */
  readonly error: number
}

/** Keeps the part of an error that a p-norm would not fight: sign(x) · max(0, |x| − |x|^(p − 1) / β). */
export const shrink = (x: number, norm: number, beta: number): number => {
  const magnitude = Math.abs(x)
  return magnitude === 0 ? 0 : Math.sign(x) * Math.max(0, magnitude - magnitude ** (norm - 1) / beta)
}

const halfOf = (value: number): number => decodeF16(encodeF16(value))

/** Nearest codes on the grid of a scale and a zero. */
const fitTo = (weights: Float32Array, scale: number, zero: number, bits: number): Fit => {
  const codes = Uint8Array.from(weights, w => Math.min(2 ** bits - 1, Math.max(0, roundHalfEven(w / scale + zero))))
  return { zero, codes, error: weights.reduce((sum, w, i) => sum + Math.abs(w - scale * (codes[i] - zero)), 0) }
}

/** Moves the zero until the error stops falling. */
const solve = (weights: Float32Array, scale: number, zero: number, { bits, norm, beta, iterations }: Settings): Fit => {
  let best = fitTo(weights, scale, zero, bits)
  for (let step = 0; step < iterations; step++) {
    const { codes, zero: last } = best
    const sum = weights.reduce((total, w, i) => {
      const outlier = shrink(w - scale * (codes[i] - last), norm, beta)
      return total + codes[i] - (w - outlier) / scale
    }, 0)
    const next = fitTo(weights, scale, halfOf(sum / weights.length), bits)
    if (!(next.error < best.error)) break
    best = next
  }
  return best
}

/**
 * Half-quadratic quantization: moves the zero of each group, a half between two codes, to where a p-norm of the error is least.
 * min Σ|E|^p + β/2 · ‖E − (W − s(Q − z))‖²: in turn Q = round(W/s + z), E = shrink(W − s(Q − z)), z = mean(Q − (W − E)/s).
 * W: (out, in), s from the range of the group with 0 in it; no calibration. Throws BAD_OPTION.
 * Badri and Shaji 2023, https://mobiusml.github.io/hqq_blog/
 * Differs from the paper: each group stops by itself, and zeros are halves already while they are sought; groups run along rows.
 */
export const hqq = defineMethod({
  name: 'hqq',
  summary: 'moves the zero of each group to where a p-norm of the error is least',
  paper: {
    title: 'Half-Quadratic Quantization of Large Machine Learning Models',
    authors: 'Badri and Shaji',
    year: 2023,
    url: 'https://mobiusml.github.io/hqq_blog/',
  },
  options: {
    bits: integer({ min: 1, max: 8, default: 4, doc: 'bits of a code' }),
    group: integer({ min: 1, default: 64, doc: 'columns that share a scale and a zero' }),
    norm: positive({ default: 0.7, doc: 'p: below 1 leaves outliers to their error' }),
    beta: positive({ default: 10, doc: 'how closely E follows the error' }),
    iterations: integer({ min: 0, default: 20, doc: 'steps at most; 0 is rounding to nearest with a zero between codes' }),
  },
  apply: async (weight, { site }, settings) => {
    const [rows, columns] = weight.shape
    const group = site.rowsOnly ? columns : Math.min(settings.group, columns)
    const groups = Math.ceil(columns / group)
    const values = await weight.data<'float32'>()
    const codes = new Uint8Array(values.length)
    const scales = new Float32Array(rows * groups)
    const zeros = new Float32Array(rows * groups)
    for (let at = 0; at < scales.length; at++) {
      const start = Math.floor(at / groups) * columns + (at % groups) * group
      const weights = values.subarray(start, Math.min(start + group, (Math.floor(at / groups) + 1) * columns))
      const low = weights.reduce((least, w) => Math.min(least, w), 0)
      const span = weights.reduce((most, w) => Math.max(most, w), 0) - low
      const step = Math.fround(span / (2 ** settings.bits - 1))
      scales[at] = step === 0 ? 1 : storedScale(step)
      const fit = solve(weights, scales[at], halfOf(-low / scales[at]), settings)
      codes.set(fit.codes, start)
      zeros[at] = fit.zero
    }
    return affineOf({ shape: [rows, columns], bits: settings.bits, group, codes, scales, zeros })
  },
})
