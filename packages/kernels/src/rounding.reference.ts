import { encodeF8e4m3, encodeF8e5m2, roundHalfEven } from '@tersor/tensor'
import type { LinesOfRuns, Runs, SortedLevels } from './rounding.js'
import type { ScaledRounding } from './rounding-error.js'

/** The runs of a matrix, row by row. */
export const runsOf = (values: ArrayLike<number>, { columns, run }: Runs): number[][] => {
  const runs: number[][] = []
  const all = Array.from(values)
  for (let row = 0; row < all.length; row += columns)
    for (let start = row; start < Math.min(row + columns, all.length); start += run)
      runs.push(all.slice(start, Math.min(start + run, row + columns, all.length)))
  return runs
}

export const linesReference = (values: Float32Array, { scales, zeros, bits, ...runs }: LinesOfRuns): number[] => {
  const perRow = Math.ceil(runs.columns / runs.run)
  return runsOf(values, runs).flatMap((run, i) => {
    const line = scales.length === perRow ? i % perRow : i
    return run.map(value => Math.min(2 ** bits - 1, Math.max(0, roundHalfEven(value / scales[line]) + zeros[line])))
  })
}

/** The first of the levels from the lowest up that no middle below the value stands behind. */
export const levelsReference = (values: Float32Array, { names, middles }: SortedLevels, run: number, scales: Float32Array): number[] =>
  runsOf(values, { columns: values.length, run }).flatMap((each, i) => {
    const factor = Math.fround(1 / Math.max(scales[i], 1e-38))
    return each.map(value => names[middles.filter(middle => middle < Math.fround(value * factor)).length])
  })

const MAGNITUDES = [0, 0.5, 1, 1.5, 2, 3, 4, 6]

/** The nearest magnitude, of two the even code. */
export const e2m1Reference = (value: number): number => {
  const size = Math.min(6, Math.abs(value))
  const distance = (code: number): number => Math.abs(MAGNITUDES[code] - size)
  const code = [0, 2, 4, 6, 1, 3, 5, 7].reduce((best, each) => (distance(each) < distance(best) ? each : best))
  return value < 0 && code > 0 ? code + 8 : code
}

export const float8Reference = (values: Float32Array, format: 'e4m3' | 'e5m2', columns: number, scales: Float32Array): number[] => {
  const [encode, largest] = format === 'e4m3' ? [encodeF8e4m3, 448] : [encodeF8e5m2, 57344]
  return Array.from(values, (value, i) => encode(Math.min(largest, Math.max(-largest, value / scales[Math.floor(i / columns)]))))
}

/** Q(x · factor) / factor − x, number by number in float32. */
export const roundingErrorsReference = (values: Float32Array, factors: Float32Array, grid: ScaledRounding): number[] => {
  const { columns, run, joint, symmetric, bits } = grid
  const f = Math.fround
  const scaled = values.map((value, i) => value * factors[i % columns])
  const levels = 2 ** bits - 1
  const ranges = runsOf(scaled, { columns, run }).map(each => [Math.min(0, ...each), Math.max(0, ...each)])
  const all = [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))]
  const perRow = Math.ceil(columns / run)
  return Array.from(scaled, (x, i) => {
    const [low, high] = joint ? all : ranges[Math.floor(i / columns) * perRow + Math.floor((i % columns) / run)]
    const scale = f(f(Math.max(symmetric ? 2 * Math.max(-low, high) : f(high - low), f(1e-5))) / levels)
    const zero = symmetric ? 2 ** (bits - 1) : roundHalfEven(f(-low / scale))
    const code = Math.min(levels, Math.max(0, roundHalfEven(f(x / scale)) + zero))
    return f(f(f((code - zero) * scale) / factors[i % columns]) - values[i])
  })
}
