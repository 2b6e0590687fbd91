import { CompressionError } from '@tersor/tensor'

/** Bits one behind the other, the first in the highest place of a byte. */
export interface BitWriter {
  /** The lowest `count` bits of a value, at most 24, the highest of them first. */
  put(value: number, count: number): void
  /** All that was put, the last byte filled up with zeros. */
  bytes(): Uint8Array
}

/** For so many bits. */
export const bitWriter = (most: number): BitWriter => {
  const bytes = new Uint8Array(Math.ceil(most / 8))
  let [at, held, count] = [0, 0, 0]
  return {
    put: (value, width) => {
      held = (held << width) | value
      for (count += width; count >= 8; count -= 8) bytes[at++] = held >>> (count - 8)
      held &= (1 << count) - 1
    },
    bytes: () => {
      if (count > 0) bytes[at++] = held << (8 - count)
      return bytes.subarray(0, at)
    },
  }
}

export interface BitReader {
  /** 0 or 1. Throws BAD_DATA behind the last. */
  next(): number
  /** So many of them as a number, the first the highest. */
  take(count: number): number
}

export const bitReader = (bytes: Uint8Array): BitReader => {
  let at = 0
  const next = (): number => {
    if (at >> 3 >= bytes.length)
      throw new CompressionError('BAD_DATA', `Codes end behind ${bytes.length} bytes, in the middle.`, 'Read the whole file or message again.', { bytes: bytes.length }) // prettier-ignore
    const bit = (bytes[at >> 3] >> (7 - (at & 7))) & 1
    at++
    return bit
  }
  return {
    next,
    take: count => {
      let value = 0
      for (let i = 0; i < count; i++) value = 2 * value + next()
      return value
    },
  }
}
