import { packCodes } from '@tersor/kernels/pack-codes'
import { shareNumbers, type RunRowsOptions } from '@tersor/kernels/pool'
import { rangesOfRuns, roundToLines } from '@tersor/kernels/rounding'
import { dense, roundHalfEven, type Dense, type DType, type Encoded, type Shape } from '@tersor/tensor'
import { affineOf, roundScale, scaleDTypeOf, type ScaleDType } from './affine.js'
import { matrixShape } from './groups.js'

/** A regular grid for the runs of a matrix: value = scale · (code − zero), code 0 … 2^bits − 1. */
export interface Grid {
  /** 1-8. */
  readonly bits: number
  /** Whether zero is the middle code 2^(bits−1); otherwise each run has its own. */
  readonly symmetric: boolean
  /** Columns that share a scale. */
  readonly group: number
  /** Whether all rows share it too. */
  readonly joint: boolean
}

/** Scale and zero of one run of weights. */
export interface Line {
  readonly scale: number
  /** The code that stands for 0. */
  readonly zero: number
}

/** Those of all runs, as they are stored: (rows or 1, groups). */
export interface Lines {
  readonly scaleDType: ScaleDType
  /** Numbers that `scaleDType` holds, so that codes are made for the scales that decoding will use. */
  readonly scales: Float32Array
  readonly zeros: Float32Array
}

/**
 * The lines through ranges [low, high], each widened to contain 0:
 * symmetric scale = 2·max|w| / (2^b − 1), zero = 2^(b−1); else scale = (max − min) / (2^b − 1), zero = round(−min / scale).
 * Scales are rounded to `dtype`, which is f16 where all of them are normal halves and f32 otherwise, unless it is given.
 */
export const linesBetween = (
  low: ArrayLike<number>,
  high: ArrayLike<number>,
  { bits, symmetric }: Pick<Grid, 'bits' | 'symmetric'>,
  dtype?: ScaleDType,
): Lines => {
  const levels = 2 ** bits - 1
  const exact = new Float64Array(low.length)
  for (let i = 0; i < exact.length; i++) {
    const min = Math.min(low[i], 0)
    const max = Math.max(high[i], 0)
    exact[i] = (symmetric ? 2 * Math.max(-min, max) : max - min) / levels || 1
  }
  const scaleDType = dtype ?? scaleDTypeOf(exact)
  const scales = new Float32Array(exact.length)
  const zeros = new Float32Array(exact.length).fill(2 ** (bits - 1))
  for (let i = 0; i < exact.length; i++) {
    scales[i] = roundScale(exact[i], scaleDType)
    if (!symmetric) zeros[i] = Math.min(levels, Math.max(0, roundHalfEven(-Math.min(low[i], 0) / scales[i])))
  }
  return { scaleDType, scales, zeros }
}

/** The line through one range. */
export const lineBetween = (low: number, high: number, levels: Pick<Grid, 'bits' | 'symmetric'>): Line => {
  const { scales, zeros } = linesBetween([low], [high], levels)
  return { scale: scales[0], zero: zeros[0] }
}

/** The nearest code: clamp(round(w / scale) + zero, 0, 2^b − 1), ties to even. */
export const codeOf = (value: number, { scale, zero }: Line, bits: number): number =>
  Math.min(2 ** bits - 1, Math.max(0, roundHalfEven(value / scale) + zero))

/** The lines of all runs of a matrix, row by row, from the least to the largest of each; on all threads. */
export const linesOf = async (values: Float32Array, columns: number, grid: Grid, options?: RunRowsOptions): Promise<Lines> => {
  const { low, high } = await rangesOfRuns(values, { columns, run: grid.group }, options)
  if (!grid.joint) return linesBetween(low, high, grid)
  return linesBetween([low.reduce((a, b) => Math.min(a, b), 0)], [high.reduce((a, b) => Math.max(a, b), 0)], grid)
}

/** The affine tree of codes that were made for some lines; codes: (rows · columns). */
export const affineOnLines = (
  codes: ArrayLike<number> | Dense,
  { scales, zeros, scaleDType }: Lines,
  shape: Shape,
  grid: Grid,
): Encoded => {
  const { bits, group, symmetric } = grid
  return affineOf({ ...{ shape, bits, group, codes, scales, scaleDType }, ...(symmetric ? {} : { zeros: Uint8Array.from(zeros) }) })
}

/** Rounds a matrix to lines: each value takes the nearest code of its run's line; on all threads. */
export const affineAt = async (
  values: Float32Array,
  lines: Lines,
  shape: Shape,
  grid: Grid,
  options?: RunRowsOptions,
): Promise<Encoded> => {
  const [, columns] = matrixShape(shape)
  const codes = await roundToLines(values, { ...lines, columns, run: grid.group, bits: grid.bits }, options)
  const data = dense(`u${grid.bits}` as DType, shape, await packCodes(codes, grid.bits, options))
  return affineOnLines(data, lines, shape, grid)
}

/** Rounds a matrix to its grid, from the least to the largest of each run; on all threads. */
export const affineFrom = async (weights: Float32Array, shape: Shape, grid: Grid, options?: RunRowsOptions): Promise<Encoded> => {
  const [, columns] = matrixShape(shape)
  const values = shareNumbers(weights)
  return affineAt(values, await linesOf(values, columns, grid, options), shape, grid, options)
}
