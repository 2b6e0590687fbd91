import { dense, toFloat32 } from './dense.js'
import { decodeF16, decodeF8e4m3, decodeF8e5m2, encodeBf16, encodeF16, encodeF8e4m3, encodeF8e5m2, roundHalfEven } from './float.js'

interface Format {
  readonly name: string
  readonly bits: number
  readonly mantissa: number
  readonly decode: (code: number) => number
  readonly encode: (value: number) => number
  /** Written from the definition of the format, with no shared code. */
  readonly reference: (code: number) => number
}

/** (−1)^s · 2^(e − bias) · 1.m, subnormals below, with or without infinities. */
const reference = (exponent: number, mantissa: number, infinities: boolean) => (code: number) => {
  const sign = code >= 2 ** (exponent + mantissa) ? -1 : 1
  const e = Math.floor(code / 2 ** mantissa) % 2 ** exponent
  const m = code % 2 ** mantissa
  const bias = 2 ** (exponent - 1) - 1
  if (infinities && e === 2 ** exponent - 1) return m === 0 ? sign * Infinity : NaN
  if (!infinities && e === 2 ** exponent - 1 && m === 2 ** mantissa - 1) return NaN
  return e === 0 ? sign * m * 2 ** (1 - bias - mantissa) : sign * (1 + m * 2 ** -mantissa) * 2 ** (e - bias)
}

/** All bfloat16 numbers, as a tensor of them is read. */
const BF16 = toFloat32(dense('bf16', [2 ** 16], new Uint8Array(Uint16Array.from({ length: 2 ** 16 }, (_, code) => code).buffer)))

const FORMATS: readonly Format[] = [
  { name: 'f16', bits: 16, mantissa: 10, decode: decodeF16, encode: encodeF16, reference: reference(5, 10, true) },
  { name: 'bf16', bits: 16, mantissa: 7, decode: code => BF16[code], encode: encodeBf16, reference: reference(8, 7, true) },
  { name: 'f8e4m3', bits: 8, mantissa: 3, decode: decodeF8e4m3, encode: encodeF8e4m3, reference: reference(4, 3, false) },
  { name: 'f8e5m2', bits: 8, mantissa: 2, decode: decodeF8e5m2, encode: encodeF8e5m2, reference: reference(5, 2, true) },
]

describe.each(FORMATS)('$name', ({ bits, decode, encode, reference: expected }) => {
  const codes = Array.from({ length: 2 ** bits }, (_, code) => code)
  const finite = codes.filter(code => Number.isFinite(expected(code)))
  const positive = finite.filter(code => code < 2 ** (bits - 1))

  it('decodes every pattern as the format is defined', () => {
    const wrong = codes.filter(code => !Object.is(decode(code), expected(code)))
    expect(wrong).toEqual([])
  })

  it('encodes every finite value to its own pattern', () => {
    expect(finite.filter(code => encode(decode(code)) !== code)).toEqual([])
  })

  it('keeps NaN and infinities', () => {
    const nan = codes.filter(code => Number.isNaN(expected(code)))
    expect(nan.filter(code => !Number.isNaN(decode(encode(decode(code)))))).toEqual([])
    const infinite = codes.filter(code => Math.abs(expected(code)) === Infinity)
    expect(infinite.filter(code => encode(expected(code)) !== code)).toEqual([])
  })

  it('rounds to the nearest, and a tie to the even pattern', () => {
    const wrong = positive.slice(0, -1).filter(code => {
      const [low, high] = [decode(code), decode(code + 1)]
      const middle = (low + high) / 2 // exact: both have few bits
      const even = code % 2 === 0 ? code : code + 1
      const step = (high - low) / 64
      const tie = Math.fround(middle) === middle ? encode(middle) === even : true
      return !tie || encode(middle - step) !== code || encode(middle + step) !== code + 1
    })
    expect(wrong).toEqual([])
  })

  it('overflows past half a step above the largest value', () => {
    const largest = positive[positive.length - 1]
    const step = decode(largest) - decode(largest - 1)
    expect(encode(decode(largest) + step * 0.49)).toBe(largest)
    expect(Number.isFinite(decode(encode(decode(largest) + step * 0.51)))).toBe(false)
  })
})

it('has the landmarks of each format', () => {
  expect(encodeF16(1)).toBe(0x3c00)
  expect(encodeF16(65504)).toBe(0x7bff)
  expect(encodeF16(65520)).toBe(0x7c00)
  expect(encodeF16(2 ** -24)).toBe(1)
  expect(encodeF16(-0)).toBe(0x8000)
  expect(encodeBf16(1)).toBe(0x3f80)
  expect(encodeBf16(3.0e38)).toBe(0x7f62)
  expect(decodeF8e4m3(0x7e)).toBe(448)
  expect(decodeF8e5m2(0x7b)).toBe(57344)
})

it('rounds ties to even, near zero and up to where doubles have no fraction', () => {
  const wanted = [
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [-0.5, 0],
    [-1.5, -2],
    [0.49999999999999994, 0],
    [-2.7, -3],
    [2 ** 51 + 0.5, 2 ** 51],
    [2 ** 51 + 1.5, 2 ** 51 + 2],
    [2 ** 52 + 1, 2 ** 52 + 1],
    [-(2 ** 53), -(2 ** 53)],
    [Infinity, Infinity],
    [NaN, NaN],
  ] as const
  for (const [value, rounded] of wanted) expect(roundHalfEven(value) + 0).toBe(rounded)
})
