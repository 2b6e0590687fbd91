import { affineOf, choice, integer, optional, scaleDType, boolean, type Site } from '@tersor/core'
import { rangesOfRuns, type RunRowsOptions } from '@tersor/kernels'
import { decodeF16, encodeF16, roundHalfEven, type Encoded } from '@tersor/tensor'

/** The options that every method on a regular grid takes. */
export const gridOptions = {
  bits: integer({ min: 1, max: 8, default: 4, doc: 'bits of a code' }),
  symmetric: boolean({ default: true, doc: 'whether zero is the middle code; otherwise each group stores its own zero' }),
  granularity: choice(['tensor', 'row', 'group'], { default: 'group', doc: 'weights that share a scale' }),
  group: optional(integer({ min: 1, doc: 'columns that share a scale when granularity is group; 128 where absent' })),
}

export interface Grid {
  readonly bits: number
  readonly symmetric: boolean
  /** Columns that share a scale. */
  readonly group: number
  /** Whether all rows share it too. */
  readonly joint: boolean
}

const DEFAULT_GROUP = 128

interface GridValues {
  readonly bits: number
  readonly symmetric: boolean
  readonly granularity: 'tensor' | 'row' | 'group'
  readonly group: number | undefined
}

/** The grid of a matrix with so many columns; groups are whole rows where the site's format holds no others. */
export const gridOf = ({ bits, symmetric, granularity, group }: GridValues, columns: number, site?: Pick<Site, 'rowsOnly'>): Grid => ({
  bits,
  symmetric,
  group: granularity === 'group' && !site?.rowsOnly ? Math.min(group ?? DEFAULT_GROUP, columns) : columns,
  joint: granularity === 'tensor',
})

/** Refuses `group` where it would be ignored. */
export const checkGrid = ({ granularity, group }: GridValues): readonly [string, string] | undefined =>
  granularity !== 'group' && group !== undefined
    ? [`group = ${group} has no meaning when granularity is ${granularity}.`, 'Leave one of the two out.']
    : undefined

/** Scale and zero of one run of weights. */
export interface Line {
  readonly scale: number
  /** The code that stands for 0. */
  readonly zero: number
}

const F16_SMALLEST_NORMAL = 2 ** -14

/** Rounds a scale to the precision it is stored in, so that codes are made for the scale that decoding will use. */
export const storedScale = (scale: number): number => {
  if (scale < F16_SMALLEST_NORMAL || scaleDType([scale]) === 'f32') return Math.fround(scale)
  return decodeF16(encodeF16(scale))
}

/**
 * The line through a range of weights that always contains 0:
 * symmetric scale = 2·max|w| / (2^b − 1), zero = 2^(b−1); else scale = (max − min) / (2^b − 1), zero = round(−min / scale).
 */
export const lineOf = (low: number, high: number, { bits, symmetric }: Grid): Line => {
  const levels = 2 ** bits - 1
  const min = Math.min(low, 0)
  const max = Math.max(high, 0)
  const span = symmetric ? 2 * Math.max(-min, max) : max - min
  const scale = span === 0 ? 1 : storedScale(span / levels) || Math.fround(span / levels)
  const zero = symmetric ? 2 ** (bits - 1) : Math.min(levels, Math.max(0, roundHalfEven(-min / scale)))
  return { scale, zero }
}

/** The nearest code: clamp(round(w / scale) + zero, 0, 2^b − 1), ties to even. */
export const codeOf = (value: number, { scale, zero }: Line, bits: number): number =>
  Math.min(2 ** bits - 1, Math.max(0, roundHalfEven(value / scale) + zero))

/** Lines of all groups, row by row: (rows or 1) · groups. */
export const linesOf = async (values: Float32Array, columns: number, grid: Grid, options?: RunRowsOptions): Promise<Line[]> => {
  const { low, high } = await rangesOfRuns(values, { columns, run: grid.group }, options)
  if (!grid.joint) return Array.from(low, (least, i) => lineOf(least, high[i], grid))
  return [lineOf(low.reduce((least, value) => Math.min(least, value), 0), high.reduce((most, value) => Math.max(most, value), 0), grid)] // prettier-ignore
}

/** The affine tree of codes (rows · columns) on their lines. */
export const affineFrom = (
  codes: Uint8Array,
  lines: readonly Line[],
  rows: number,
  columns: number,
  { bits, group, symmetric }: Grid,
): Encoded =>
  affineOf({
    shape: [rows, columns],
    bits,
    group,
    codes,
    scales: Float32Array.from(lines, line => line.scale),
    ...(symmetric ? {} : { zeros: Uint8Array.from(lines, line => line.zero) }),
  })
