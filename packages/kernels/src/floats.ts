import { roomForThreads, runRows, type RowBuffer, type RowJob, type RunRowsOptions } from './pool.js'

/** Values that go through at once: few enough that they stay in a core's own caches. */
const AT_ONCE = 2 ** 15

/** float32, or the codes of bf16. */
export type StoredFloats = Float32Array | Uint16Array

/** A job over the flattened values: `values` are float32 then, the largest magnitude of every part is in `most`. */
const jobOf = (stored: StoredFloats, values: RowBuffer, most: Int32Array): RowJob => {
  const isWide = stored instanceof Float32Array
  const length = { lengthOf: isWide ? 'values' : 'codes' } // a room is longer than the last part
  const largest = ['largestBits', { at: 'values' }, length, { at: 'most' }] as const
  return {
    rows: most.length,
    atOnce: 1,
    buffers: {
      ...(isWide ? {} : { codes: { role: 'in', array: stored, each: AT_ONCE } as const }),
      values,
      most: { role: 'out', array: most, each: 1 },
    },
    calls: isWide ? [largest] : [['widenBf16', { at: 'codes' }, length, { at: 'values' }], largest],
  }
}

const magnitudesOf = (stored: StoredFloats): Int32Array<ArrayBuffer> => new Int32Array(Math.ceil(stored.length / AT_ONCE))

/** Bits of NaN are beyond those of infinity. */
const largestOf = (magnitudes: Int32Array<ArrayBuffer>): number => {
  const largest = new Float32Array(magnitudes.buffer).reduce((most, value) => Math.max(most, value), 0)
  return Number.isNaN(largest) ? Infinity : largest
}

/** The largest magnitude, Infinity where a value is NaN or infinite; on all threads. */
export const largestMagnitude = async (stored: StoredFloats, options?: RunRowsOptions): Promise<number> => {
  const most = magnitudesOf(stored)
  const values: RowBuffer =
    stored instanceof Float32Array ? { role: 'in', array: stored, each: AT_ONCE } : { role: 'room', bytes: 4, each: AT_ONCE }
  await runRows(jobOf(stored, values, most), options)
  return largestOf(most)
}

/** The values as float32 in memory that threads share, and their largest magnitude, Infinity where one is NaN or infinite; on all threads. */
export const widenFloats = async (
  stored: StoredFloats,
  options?: RunRowsOptions,
): Promise<{ readonly values: Float32Array; readonly largest: number }> => {
  const values = new Float32Array(roomForThreads(4 * stored.length))
  if (stored instanceof Float32Array) values.set(stored)
  const most = magnitudesOf(stored)
  const buffer: RowBuffer = { role: stored instanceof Float32Array ? 'in' : 'out', array: values, each: AT_ONCE }
  await runRows(jobOf(stored instanceof Float32Array ? values : stored, buffer, most), options)
  return { values, largest: largestOf(most) }
}
