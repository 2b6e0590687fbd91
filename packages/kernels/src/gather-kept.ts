import { roomForThreads, runRows, type RunRowsOptions } from './pool.js'

/** Elements that go through at once: a multiple of 8, so that parts begin with whole bytes of flags. */
const AT_ONCE = 2 ** 15

/**
 * Elements of `width` bytes (1, 2, 4 or 8) whose flag is set, one behind the other; on all threads.
 * flags: one bit each, little-endian, as `packCodes` gives them.
 */
export const gatherKept = async (elements: Uint8Array, width: number, flags: Uint8Array, options?: RunRowsOptions): Promise<Uint8Array> => {
  const rows = Math.ceil(elements.length / width / AT_ONCE)
  const gathered = new Uint8Array(roomForThreads(elements.length))
  const counts = new Int32Array(rows)
  const buffers = {
    elements: { role: 'in', array: elements, each: AT_ONCE * width },
    flags: { role: 'in', array: flags, each: AT_ONCE / 8 },
    gathered: { role: 'out', array: gathered, each: AT_ONCE * width },
    counts: { role: 'out', array: counts, each: 1 },
  } as const
  const calls = [
    ['gatherKept', { at: 'elements' }, { at: 'flags' }, { lengthOf: 'elements' }, width, { at: 'gathered' }, { at: 'counts' }],
  ] as const
  await runRows({ rows, atOnce: 1, buffers, calls }, options)
  const kept = new Uint8Array(counts.reduce((sum, count) => sum + count, 0) * width)
  let to = 0
  for (const [row, count] of counts.entries()) {
    const from = row * AT_ONCE * width
    kept.set(gathered.subarray(from, from + count * width), to)
    to += count * width
  }
  return kept
}
