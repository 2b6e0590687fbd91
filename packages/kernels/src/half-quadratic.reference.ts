import { decodeF16, encodeF16, roundHalfEven } from '@tersor/tensor'
import type { HalfQuadratic, HalfQuadraticOptions } from './half-quadratic.js'

interface Fit {
  readonly zero: number
  readonly codes: readonly number[]
  readonly error: number
}

/** sign(x) · max(0, |x| − |x|^(p − 1) / β). */
export const shrink = (x: number, norm: number, beta: number): number =>
  x === 0 ? 0 : Math.sign(x) * Math.max(0, Math.abs(x) - Math.abs(x) ** (norm - 1) / beta)

const half = (value: number): number => decodeF16(encodeF16(value))

const fitTo = (weights: readonly number[], scale: number, zero: number, top: number): Fit => {
  const codes = weights.map(w => Math.min(top, Math.max(0, roundHalfEven(w / scale + zero))))
  return { zero, codes, error: weights.reduce((sum, w, i) => sum + Math.abs(w - scale * (codes[i] - zero)), 0) }
}

const solve = (weights: readonly number[], scale: number, { bits, norm, beta, iterations }: HalfQuadraticOptions): Fit => {
  const top = 2 ** bits - 1
  const low = Math.min(0, ...weights)
  let best = fitTo(weights, scale, half(-low / scale), top)
  for (let i = 0; i < iterations; i++) {
    const { codes, zero } = best
    const sum = weights.reduce((total, w, j) => {
      const outlier = shrink(w - scale * (codes[j] - zero), norm, beta)
      return total + codes[j] - (w - outlier) / scale
    }, 0)
    const next = fitTo(weights, scale, half(sum / weights.length), top)
    if (!(next.error < best.error)) break
    best = next
  }
  return best
}

/** The same in plain loops. */
export const halfQuadraticReference = (weights: Float32Array, options: HalfQuadraticOptions): HalfQuadratic => {
  const { columns, group, scales } = options
  const fits: Fit[] = []
  for (let row = 0; row < weights.length; row += columns)
    for (let start = row; start < row + columns; start += group)
      fits.push(solve([...weights.subarray(start, Math.min(start + group, row + columns))], scales[fits.length], options))
  return {
    codes: Uint8Array.from(fits.flatMap(({ codes }) => codes)),
    zeros: Float32Array.from(fits, ({ zero }) => zero),
  }
}
