import { CompressionError } from '@tersor/tensor'
import { bitReader, bitWriter } from './bits.js'

/** The most bits that are written as they are. */
const MOST = 24
const CHUNK = 24

const checkParameter = (parameter: number): void => {
  if (!(Number.isInteger(parameter) && parameter >= 0 && parameter <= MOST))
    throw new CompressionError('BAD_DATA', `A Rice parameter is ${parameter}.`, `Pass an integer from 0 to ${MOST}.`, { parameter })
}

/** Σ (value >> parameter) + 1 + parameter: what Rice codes take. */
export const riceBits = (values: ArrayLike<number>, parameter: number): number => {
  let bits = values.length * (1 + parameter)
  for (let i = 0; i < values.length; i++) bits += values[i] >>> parameter
  return bits
}

/** The parameter with which values take the fewest bits: of equals the smaller. */
export const bestRice = (values: ArrayLike<number>): number => {
  const bits = Array.from({ length: MOST + 1 }, (_, parameter) => riceBits(values, parameter))
  return bits.indexOf(Math.min(...bits))
}

/**
 * Whole numbers from 0 on as Rice codes: value >> parameter as so many ones and a zero, then its lowest bits as they are. For gaps between places,
 * which are short mostly. Throws BAD_DATA. Rice and Plaunt 1971, https://doi.org/10.1109/TCOM.1971.1090789
 */
export const encodeRice = (values: ArrayLike<number>, parameter: number): Uint8Array => {
  checkParameter(parameter)
  const writer = bitWriter(riceBits(values, parameter))
  for (let i = 0; i < values.length; i++) {
    let ones = values[i] >>> parameter
    for (; ones > CHUNK - 1; ones -= CHUNK - 1) writer.put(2 ** (CHUNK - 1) - 1, CHUNK - 1)
    writer.put(2 ** (ones + 1) - 2, ones + 1)
    writer.put(values[i] & (2 ** parameter - 1), parameter)
  }
  return writer.bytes()
}

/** So many numbers again. Throws BAD_DATA where codes end early. */
export const decodeRice = (bytes: Uint8Array, parameter: number, count: number): Int32Array => {
  checkParameter(parameter)
  const reader = bitReader(bytes)
  return Int32Array.from({ length: count }, () => {
    let ones = 0
    while (reader.next() === 1) ones++
    return ones * 2 ** parameter + reader.take(parameter)
  })
}
