import type { Rng } from '@tersor/core'

/** How many damaged files a test tries: all of them in the slow run, one in twenty-five otherwise. */
export const tries = (all: number): number => (process.env.TERSOR_SLOW === '1' ? all : all / 25)

/** Numbers at which parsers break: signs, widths, the largest counts. */
const EDGES = [0n, 1n, 2n ** 7n, 2n ** 15n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]

type Mutation = (bytes: Uint8Array<ArrayBuffer>, rng: Rng) => Uint8Array<ArrayBuffer>

const flipBit: Mutation = (bytes, rng) => {
  bytes[rng.integer(bytes.length)] ^= 1 << rng.integer(8)
  return bytes
}
const setByte: Mutation = (bytes, rng) => {
  bytes[rng.integer(bytes.length)] = rng.integer(256)
  return bytes
}
const setNumber: Mutation = (bytes, rng) => {
  const width = rng.uniform() < 0.5 ? 4 : 8
  const at = rng.integer(Math.max(1, bytes.length - width))
  const value = EDGES[rng.integer(EDGES.length)]
  for (let i = 0; i < width && at + i < bytes.length; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 255n)
  return bytes
}
const truncate: Mutation = (bytes, rng) => bytes.slice(0, rng.integer(bytes.length))
const remove: Mutation = (bytes, rng) => {
  const at = rng.integer(bytes.length)
  return concatenate(bytes.subarray(0, at), bytes.subarray(at + 1 + rng.integer(16)))
}
const repeat: Mutation = (bytes, rng) => {
  const at = rng.integer(bytes.length)
  const end = Math.min(bytes.length, at + 1 + rng.integer(64))
  return concatenate(bytes.subarray(0, end), bytes.subarray(at))
}
/** Swaps digits, quotes and brackets, so that text stays near JSON. */
const setCharacter: Mutation = (bytes, rng) => {
  const characters = '0123456789-.eE"{}[]:, \n\\u'
  bytes[rng.integer(bytes.length)] = characters.charCodeAt(rng.integer(characters.length))
  return bytes
}
/** Changes one of the numbers in a text. */
const setDigit: Mutation = (bytes, rng) => {
  const isDigit = (byte: number): boolean => byte >= 48 && byte <= 57
  const digits = [...bytes.keys()].filter(at => isDigit(bytes[at]))
  if (digits.length > 0) bytes[digits[rng.integer(digits.length)]] = 48 + rng.integer(10)
  return bytes
}

/** For binary headers. */
export const BINARY: readonly Mutation[] = [flipBit, setByte, setNumber, truncate, remove, repeat, setCharacter]
/** For headers of text: most results are nearly JSON. */
export const TEXT: readonly Mutation[] = [setCharacter, setDigit, setDigit, setDigit, repeat, flipBit]

/** One to four mutations of some bytes. */
export const mutate = (bytes: Uint8Array, mutations: readonly Mutation[], rng: Rng): Uint8Array<ArrayBuffer> => {
  let mutated = Uint8Array.from(bytes)
  for (let count = 1 + rng.integer(4); count > 0 && mutated.length > 0; count--)
    mutated = mutations[rng.integer(mutations.length)](mutated, rng)
  return mutated
}

/** Several pieces of a file in one. */
export const concatenate = (...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.concat(pieces))
