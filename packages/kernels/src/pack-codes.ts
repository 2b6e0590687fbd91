import { roomForThreads, runRows, type RunRowsOptions } from './pool.js'

/** Codes that go through at once: a multiple of 8, so that parts end with whole bytes. */
const AT_ONCE = 2 ** 15

/** Codes of 1 to 8 bits, one in a byte, as one little-endian bit stream, code i from bit i·bits; on all threads. */
export const packCodes = async (codes: Uint8Array, bits: number, options?: RunRowsOptions): Promise<Uint8Array> => {
  const bytes = new Uint8Array(Math.ceil((codes.length * bits) / 8))
  const buffers = {
    codes: { role: 'in', array: codes, each: AT_ONCE },
    bytes: { role: 'out', array: bytes, each: (AT_ONCE * bits) / 8 },
  } as const
  const calls = [['packCodes', { at: 'codes' }, { lengthOf: 'codes' }, bits, { at: 'bytes' }]] as const
  await runRows({ rows: Math.ceil(codes.length / AT_ONCE), atOnce: 1, buffers, calls }, options)
  return bytes
}

/** Room for codes that only kernels read. */
export const roomForCodes = (length: number): Uint8Array => new Uint8Array(roomForThreads(length))
