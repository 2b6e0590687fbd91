import { runRows, type RunRowsOptions } from './pool.js'

export interface HalfQuadraticOptions {
  readonly columns: number
  /** Columns that share a scale and a zero. */
  readonly group: number
  /** (rows, groups). */
  readonly scales: Float32Array
  readonly bits: number
  /** p of the norm that the error should have, and how closely the fit follows what is beside it. */
  readonly norm: number
  readonly beta: number
  readonly iterations: number
}

export interface HalfQuadratic {
  /** One in a byte, (rows, columns). */
  readonly codes: Uint8Array
  /** (rows, groups), halves. */
  readonly zeros: Float32Array
}

/** Values that go through at once: few enough that they stay in a core's own caches. */
const AT_ONCE = 2 ** 15
/** Bytes for each column of a group: values, steps and two sets of codes, of two groups in doubles. */
const ROOM = 64
/** A little below the error from which on a norm leaves something to outliers, so that rounding of the powers decides nothing. */
const MARGIN = 1 - 1e-9

/**
 * Moves the zero z of each group to where Σ |E| stops falling: in turn Q = round(W/s + z), E = shrink(W − s(Q − z)),
 * z = mean(Q − (W − E)/s), where shrink(x) = sign(x) · max(0, |x| − |x|^(p − 1) / β). W: (rows, columns).
 * s: usually the range of the group with 0 in it over 2^bits − 1. Badri and Shaji 2023, https://mobiusml.github.io/hqq_blog/
 */
export const halfQuadratic = async (
  weights: Float32Array,
  { columns, group, scales, bits, norm, beta, iterations }: HalfQuadraticOptions,
  options?: RunRowsOptions,
): Promise<HalfQuadratic> => {
  const rows = columns === 0 ? 0 : weights.length / columns
  const groups = Math.ceil(columns / group)
  const atOnce = Math.max(1, Math.floor(AT_ONCE / Math.max(1, columns)))
  const codes = new Uint8Array(weights.length)
  const zeros = new Float32Array(rows * groups)
  // |x| − |x|^(p − 1) / β is above 0 from β^(−1 / (2 − p)) on
  const quiet = norm < 2 ? beta ** (-1 / (2 - norm)) * MARGIN : 0
  const buffers = {
    weights: { role: 'in', array: weights, each: columns },
    room: { role: 'whole', array: new Float64Array((ROOM / 8) * group) },
    scales: { role: 'in', array: scales, each: groups },
    zeros: { role: 'out', array: zeros, each: groups },
    codes: { role: 'out', array: codes, each: columns },
  } as const
  const settings = [columns, group, bits, norm, beta, quiet, iterations] as const
  const results = [{ at: 'room' }, { at: 'scales' }, { at: 'zeros' }, { at: 'codes' }] as const
  const calls = [['solveHalfQuadratic', { at: 'weights' }, { lengthOf: 'weights' }, ...settings, ...results]] as const
  await runRows({ rows, atOnce, buffers, calls }, options)
  return { codes, zeros }
}
