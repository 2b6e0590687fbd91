import type { Shape } from './dtype.js'
import { CompressionError } from './errors.js'

export interface FiniteRange {
  /** Where the first value is that is NaN or infinite, or −1. */
  readonly bad: number
  /** The largest magnitude of the values before it. */
  readonly largest: number
}

const MAGNITUDE = 0x7fffffff
/** Bits of infinity: those of finite magnitudes are less, and in the order of the magnitudes. */
const INFINITE = 0x7f800000

const floatOf = (bits: number): number => new Float32Array(Int32Array.of(bits).buffer)[0]

const rangeOfFloats = ({ buffer, byteOffset, length }: Float32Array): FiniteRange => {
  const bits = new Int32Array(buffer, byteOffset, length)
  let largest = 0
  for (let i = 0; i < length; i++) {
    const size = bits[i] & MAGNITUDE
    if (size >= INFINITE) return { bad: i, largest: floatOf(largest) }
    if (size > largest) largest = size
  }
  return { bad: -1, largest: floatOf(largest) }
}

const rangeOfCodes = (codes: Uint16Array): FiniteRange => {
  let largest = 0
  for (let i = 0; i < codes.length; i++) {
    const size = (codes[i] << 16) & MAGNITUDE
    if (size >= INFINITE) return { bad: i, largest: floatOf(largest) }
    if (size > largest) largest = size
  }
  return { bad: -1, largest: floatOf(largest) }
}

/** The range of values that are given as the codes of bf16. */
export const finiteRangeOfBf16 = (codes: Uint16Array): FiniteRange => {
  if (codes.byteOffset % 4 !== 0 || codes.length % 2 !== 0) return rangeOfCodes(codes)
  const pairs = new Int32Array(codes.buffer, codes.byteOffset, codes.length / 2)
  let [even, odd] = [0, 0]
  for (let i = 0; i < pairs.length; i++) {
    const pair = pairs[i]
    const first = (pair << 16) & MAGNITUDE
    const second = pair & 0x7fff0000
    if (first > even) even = first
    if (second > odd) odd = second
  }
  const largest = Math.max(even, odd)
  return largest >= INFINITE ? rangeOfCodes(codes) : { bad: -1, largest: floatOf(largest) }
}

export const finiteRange = (values: ArrayLike<number>): FiniteRange => {
  if (values instanceof Float32Array) return rangeOfFloats(values)
  let largest = 0
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i])
    if (!(magnitude < Infinity)) return { bad: i, largest }
    if (magnitude > largest) largest = magnitude
  }
  return { bad: -1, largest }
}

/** Where a value stands, axis by axis: place 5 of (2, 3) is [1, 2]. */
export const placeOf = (at: number, shape: Shape): readonly number[] => {
  const place: number[] = []
  let rest = at
  for (const extent of shape.toReversed()) {
    place.unshift(rest % extent)
    rest = Math.floor(rest / extent)
  }
  return place
}

/** The error of a value that is NaN or infinite and should be rounded: whose it is, and where. */
export const notFiniteAt = (name: string, value: number, at: number, shape: Shape): CompressionError => {
  const place = placeOf(at, shape)
  return new CompressionError(
    'NOT_FINITE',
    `"${name}" holds ${value} at [${place.join(', ')}].`,
    'It cannot be rounded to another type: repair the weights first, or leave this one as it is.',
    { name, place, value },
  )
}

/** Throws NOT_FINITE, saying whose values they are and where, at the first one that is NaN or infinite; gives the largest magnitude. */
export const requireFinite = (name: string, values: ArrayLike<number>, shape: Shape): number => {
  const { bad, largest } = finiteRange(values)
  if (bad < 0) return largest
  throw notFiniteAt(name, values[bad], bad, shape)
}
