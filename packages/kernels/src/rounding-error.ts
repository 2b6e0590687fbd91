import { runRows, type RowBuffer, type RowJob, type RunRowsOptions } from './pool.js'

/** Values that go through at once: few enough that they stay in a core's own caches. */
const AT_ONCE = 2 ** 14

/** What (rows, columns) are rounded to: lines of runs of `run` columns, or with `joint` one line for all. */
export interface ScaledRounding {
  readonly columns: number
  readonly run: number
  readonly joint: boolean
  readonly symmetric: boolean
  readonly bits: number
}

const joined = (reaches: Float32Array): RowBuffer => ({
  role: 'whole',
  array: Float32Array.of(reaches.reduce((most, reach) => Math.max(most, reach), 0)),
})

/**
 * What rounding scaled weights to nearest leaves, Q(x · factor) / factor − x, on all threads, in float32; into `errors`, (rows, columns).
 * values: (rows, columns), factors: (columns), none of them 0. Scale: range / (2^bits − 1), twice the longer reach from 0 where symmetric.
 */
export const roundingErrors = async (
  values: Float32Array,
  factors: Float32Array,
  { columns, run, joint, symmetric, bits }: ScaledRounding,
  errors: Float32Array,
  options?: RunRowsOptions,
): Promise<Float32Array> => {
  const [rows, runs] = [values.length / columns, Math.ceil(columns / run)]
  const given: Readonly<Record<string, RowBuffer>> = {
    values: { role: 'in', array: values, each: columns },
    factors: { role: 'whole', array: factors },
  }
  const start = [{ at: 'values' }, { lengthOf: 'values' }, columns, run, { at: 'factors' }, { at: 'below' }, { at: 'above' }] as const
  const reaching = ['reachesOfProducts', ...start] as const
  const job = (buffers: RowJob['buffers'], calls: RowJob['calls']): RowJob => {
    return { rows, atOnce: Math.max(1, Math.floor(AT_ONCE / columns)), buffers: { ...given, ...buffers }, calls }
  }
  const room = { role: 'room', bytes: 4, each: runs } as const
  let reaches: RowJob['buffers'] = { below: room, above: room }
  if (joint) {
    const [below, above] = [new Float32Array(rows * runs), new Float32Array(rows * runs)]
    await runRows(job({ below: { role: 'out', array: below, each: runs }, above: { role: 'out', array: above, each: runs } }, [reaching]), options) // prettier-ignore
    reaches = { below: joined(below), above: joined(above) }
  }
  const rounding = ['roundingErrors', ...start, joint ? 1 : 0, symmetric ? 1 : 0, 2 ** bits - 1, { at: 'errors' }] as const
  const buffers = { ...reaches, errors: { role: 'out', array: errors, each: columns } } as const
  await runRows(job(buffers, joint ? [rounding] : [reaching, rounding]), options)
  return errors
}
