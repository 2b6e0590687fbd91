import type { HadamardMatrix } from '@tersor/kernels'

const isPrime = (n: number): boolean => {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false
  return n > 1
}

/** Whether −1, 0 or 1: a difference is no square, nothing or a square modulo a prime. */
const characterOf = (prime: number): Int8Array => {
  const character = new Int8Array(prime).fill(-1)
  for (let i = 1; i < prime; i++) character[(i * i) % prime] = 1
  character[0] = 0
  return character
}

/** The border of ones around the character of i − j: entry (row, column) of a conference matrix of order prime + 1. */
const conference = (prime: number): ((row: number, column: number) => number) => {
  const character = characterOf(prime)
  const isSymmetric = prime % 4 === 1
  return (row, column) => {
    if (row === 0) return column === 0 ? 0 : 1
    if (column === 0) return isSymmetric ? 1 : -1
    return character[(row - column + prime) % prime]
  }
}

type Entry = (row: number, column: number) => number

/** Paley's constructions: of order p + 1 where p ≡ 3, of order 2(p + 1) where p ≡ 1 modulo 4. */
const paley = (order: number): Entry | undefined => {
  if (isPrime(order - 1) && (order - 1) % 4 === 3) {
    const entry = conference(order - 1)
    return (row, column) => (row === column ? 1 : entry(row, column))
  }
  const half = order / 2
  if (!isPrime(half - 1) || (half - 1) % 4 !== 1) return undefined
  const entry = conference(half - 1)
  return (row, column) => {
    const [bottom, right] = [row >= half, column >= half]
    const [r, c] = [row % half, column % half]
    const diagonal = r === c ? 1 : 0
    const sign = bottom && right ? -1 : 1
    return sign * entry(r, c) + (bottom === right ? sign * diagonal : -diagonal)
  }
}

/** A Hadamard matrix of an order as a power of two times the order of what is doubled to it; undefined where none of them doubles to it. */
interface Doubled {
  readonly doublings: number
  /** Of order `base`; ones where that is 1. */
  readonly base: number
  readonly entry: Entry
}

const doubledTo = (order: number): Doubled | undefined => {
  if (order === 1) return { doublings: 1, base: 1, entry: () => 1 }
  if (order % 4 !== 0 && order !== 2) return undefined
  const half = doubledTo(order / 2)
  if (half) return { ...half, doublings: 2 * half.doublings }
  const entry = paley(order)
  return entry && { doublings: 1, base: order, entry }
}

/**
 * A rotation of vectors of a size with signs of one's own; in blocks of the largest order that divides the size where there is no Hadamard
 * matrix of its own.
 */
export const randomHadamard = (size: number, sign: () => 1 | -1): HadamardMatrix => {
  let order = size
  let found = doubledTo(order)
  while (!found) {
    do order--
    while (size % order !== 0)
    found = doubledTo(order)
  }
  const { doublings, base, entry } = found
  const signs = Float32Array.from({ length: size }, sign)
  if (base === 1) return { signs, doublings, base }
  const scale = 1 / Math.sqrt(base)
  const matrix = Float32Array.from({ length: base * base }, (_, at) => scale * entry(Math.floor(at / base), at % base))
  return { signs, doublings, base, matrix }
}
