import { roomForCodes } from './pack-codes.js'
import { runRows, type RowBuffer, type RowJob, type RunRowsOptions } from './pool.js'

/** Values that go through at once: few enough that they stay in a core's own caches. */
const AT_ONCE = 2 ** 15

const rowJob = (length: number, columns: number, buffers: RowJob['buffers'], call: RowJob['calls'][number]): RowJob => ({
  rows: Math.ceil(length / Math.max(1, columns)),
  atOnce: Math.max(1, Math.floor(AT_ONCE / Math.max(1, columns))),
  buffers,
  calls: [call],
})

const SIZE = { lengthOf: 'values' } as const
const VALUES = { at: 'values' } as const

/** A matrix of (rows, columns) whose rows consist of runs of `run` columns, the last of which may be shorter. */
export interface Runs {
  readonly columns: number
  readonly run: number
}

const runsOf = ({ columns, run }: Runs): number => Math.ceil(columns / run)
const rowsOf = (values: Float32Array, columns: number): number => (columns === 0 ? 0 : Math.ceil(values.length / columns))

/** The least and the largest of each run, (rows, runs). */
export const rangesOfRuns = async (
  values: Float32Array,
  { columns, run }: Runs,
  options?: RunRowsOptions,
): Promise<{ readonly low: Float32Array; readonly high: Float32Array }> => {
  const runs = runsOf({ columns, run })
  const [low, high] = [new Float32Array(rowsOf(values, columns) * runs), new Float32Array(rowsOf(values, columns) * runs)]
  const buffers = {
    values: { role: 'in', array: values, each: columns },
    low: { role: 'out', array: low, each: runs },
    high: { role: 'out', array: high, each: runs },
  } as const
  const call = ['rangesOfRuns', VALUES, SIZE, columns, run, { at: 'low' }, { at: 'high' }] as const
  await runRows(rowJob(values.length, columns, buffers, call), options)
  return { low, high }
}

/** The largest magnitude of each run, (rows, runs); `columns` a run that goes on over the flattened tensor may leave the last row shorter. */
export const absmaxOfRuns = async (values: Float32Array, { columns, run }: Runs, options?: RunRowsOptions): Promise<Float32Array> => {
  const runs = runsOf({ columns, run })
  const largest = new Float32Array(rowsOf(values, columns) * runs)
  const buffers = {
    values: { role: 'in', array: values, each: columns },
    largest: { role: 'out', array: largest, each: runs },
  } as const
  await runRows(rowJob(values.length, columns, buffers, ['absmaxOfRuns', VALUES, SIZE, columns, run, { at: 'largest' }]), options)
  return largest
}

/** Numbers of runs for the rows of a job: cut with them, or, where there is one row of them, the same for all. */
const perRun = (array: Float32Array | Float64Array, runs: number): RowBuffer =>
  array.length === runs ? { role: 'whole', array } : { role: 'in', array, each: runs }

export interface LinesOfRuns extends Runs {
  /** (rows, runs), or (1, runs) for all rows. */
  readonly scales: Float32Array
  /** The codes that stand for 0, of the same shape. */
  readonly zeros: Float32Array
  readonly bits: number
}

/** The nearest code of each value on the line of its run, clamp(round(value / scale) + zero, 0, 2^bits − 1), ties to even; one a byte, in memory that threads share. */
export const roundToLines = async (
  values: Float32Array,
  { columns, run, scales, zeros, bits }: LinesOfRuns,
  options?: RunRowsOptions,
): Promise<Uint8Array> => {
  const runs = runsOf({ columns, run })
  const codes = roomForCodes(values.length)
  const buffers = {
    values: { role: 'in', array: values, each: columns },
    scales: perRun(scales, runs),
    zeros: perRun(zeros, runs),
    codes: { role: 'out', array: codes, each: columns },
  } as const
  const joint = scales.length === runs ? 1 : 0
  const call = [
    ...(['roundToLines', VALUES, SIZE, columns, run] as const),
    ...([{ at: 'scales' }, { at: 'zeros' }, joint, 2 ** bits - 1, { at: 'codes' }] as const),
  ] as const
  await runRows(rowJob(values.length, columns, buffers, call), options)
  return codes
}

/** Levels by code, at most 16 and ascending by `names`; halfway between neighbours. */
export interface SortedLevels {
  /** Codes from the lowest level to the highest. */
  readonly names: readonly number[]
  /** One fewer than names. */
  readonly middles: readonly number[]
}

const LEVELS = 16

/** The code of the nearest level of value / scale for each run of the flattened values, of two equally near that of the lower level. */
export const nearestLevels = async (
  values: Float32Array,
  { names, middles }: SortedLevels,
  { run, scales }: { readonly run: number; readonly scales: Float32Array },
  options?: RunRowsOptions,
): Promise<Uint8Array> => {
  const codes = new Uint8Array(values.length)
  const buffers = {
    values: { role: 'in', array: values, each: run },
    scales: { role: 'in', array: scales, each: 1 },
    middles: { role: 'whole', array: Float32Array.from({ length: LEVELS - 1 }, (_, i) => middles[i] ?? Infinity) },
    names: { role: 'whole', array: Uint8Array.from({ length: LEVELS }, (_, i) => names[i] ?? 0) },
    codes: { role: 'out', array: codes, each: run },
  } as const
  const call = ['nearestLevels', VALUES, SIZE, run, { at: 'scales' }, { at: 'middles' }, { at: 'names' }, { at: 'codes' }] as const
  await runRows(rowJob(values.length, run, buffers, call), options)
  return codes
}

/** Codes of the 4-bit floats E2M1 nearest to value / scale, ties to even; magnitudes above 6 become 6, and what rounds to 0 has no sign. */
export const roundToE2m1 = async (
  values: Float32Array,
  { columns, run, scales }: Runs & { readonly scales: Float64Array },
  options?: RunRowsOptions,
): Promise<Uint8Array> => {
  const codes = new Uint8Array(values.length)
  const buffers = {
    values: { role: 'in', array: values, each: columns },
    scales: { role: 'in', array: scales, each: runsOf({ columns, run }) },
    codes: { role: 'out', array: codes, each: columns },
  } as const
  const call = ['roundToE2m1', VALUES, SIZE, columns, run, { at: 'scales' }, { at: 'codes' }] as const
  await runRows(rowJob(values.length, columns, buffers, call), options)
  return codes
}

/** A float format of 8 bits: of its mantissa, and what is added to its exponent. */
export interface Float8 {
  readonly mantissa: number
  readonly bias: number
  readonly largest: number
}

/** Codes of the 8-bit floats nearest to value / scale, one scale a row, ties to even; magnitudes above the largest become it. */
export const roundToFloat8 = async (
  values: Float32Array,
  { mantissa, bias, largest }: Float8,
  { columns, scales }: { readonly columns: number; readonly scales: Float32Array },
  options?: RunRowsOptions,
): Promise<Uint8Array> => {
  const codes = new Uint8Array(values.length)
  const buffers = {
    values: { role: 'in', array: values, each: columns },
    scales: { role: 'in', array: scales, each: 1 },
    codes: { role: 'out', array: codes, each: columns },
  } as const
  const call = ['roundToFloat8', VALUES, SIZE, columns, { at: 'scales' }, largest, mantissa, bias, { at: 'codes' }] as const
  await runRows(rowJob(values.length, columns, buffers, call), options)
  return codes
}
