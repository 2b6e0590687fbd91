/** Conversions between float32 and the smaller floats: round to nearest, ties to even; NaN stays NaN. */

const scratch = new Float32Array(1)
const scratchBits = new Uint32Array(scratch.buffer)

const bitsOfFloat32 = (value: number): number => {
  scratch[0] = value
  return scratchBits[0]
}

/** bfloat16 of a float32: the upper half of its bits, rounded. */
export const encodeBf16 = (value: number): number => {
  const bits = bitsOfFloat32(value)
  if (value !== value) return (bits >>> 16) | 0x40
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

const F16_INFINITY = 0x7c00
const F32_INFINITY = 0x7f800000
const F32_ROUNDS_TO_F16_INFINITY = 0x477ff000 // 65520
const F32_SMALLEST_NORMAL_F16 = 0x38800000 // 2⁻¹⁴

/** IEEE half precision of a float32. */
export const encodeF16 = (value: number): number => {
  const bits = bitsOfFloat32(value)
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > F32_INFINITY) return sign | 0x7e00
  if (magnitude >= F32_ROUNDS_TO_F16_INFINITY) return sign | F16_INFINITY
  if (magnitude < F32_SMALLEST_NORMAL_F16) {
    // The float32 spacing at 0.5 is 2⁻²⁴, that of subnormal halves: the addition rounds.
    return sign | (bitsOfFloat32(Math.abs(value) + 0.5) - 0x3f000000)
  }
  const odd = (magnitude >>> 13) & 1
  return sign | ((magnitude - (112 << 23) + 0xfff + odd) >>> 13)
}

/** A float format of at most 16 bits, with a sign, `exponent` and `mantissa` bits. */
interface SmallFloat {
  readonly exponent: number
  readonly mantissa: number
  /** Formats without infinities keep only the all-ones pattern for NaN. */
  readonly infinities: boolean
}

const bias = (format: SmallFloat): number => 2 ** (format.exponent - 1) - 1

const decodeSmall = (code: number, format: SmallFloat): number => {
  const { exponent, mantissa } = format
  const sign = (code >>> (exponent + mantissa)) & 1 ? -1 : 1
  const top = (1 << exponent) - 1
  const e = (code >>> mantissa) & top
  const m = code & ((1 << mantissa) - 1)
  if (format.infinities && e === top) return m === 0 ? sign * Infinity : NaN
  if (!format.infinities && e === top && m === (1 << mantissa) - 1) return NaN
  if (e === 0) return sign * m * 2 ** (1 - bias(format) - mantissa)
  return sign * (1 + m / 2 ** mantissa) * 2 ** (e - bias(format))
}

/** Doubles from here on are integers: added to a smaller number it leaves no room for a fraction, and the processor rounds ties to even. */
const FIRST_WITHOUT_FRACTION = 2 ** 52

export const roundHalfEven = (value: number): number => {
  if (!(Math.abs(value) < FIRST_WITHOUT_FRACTION)) return value
  return value < 0 ? value - FIRST_WITHOUT_FRACTION + FIRST_WITHOUT_FRACTION : value + FIRST_WITHOUT_FRACTION - FIRST_WITHOUT_FRACTION
}

const encodeSmall = (value: number, format: SmallFloat): number => {
  const { exponent, mantissa, infinities } = format
  const sign = (value < 0 || Object.is(value, -0) ? 1 : 0) << (exponent + mantissa)
  const top = (1 << exponent) - 1
  const overflow = sign | (infinities ? top << mantissa : (top << mantissa) | ((1 << mantissa) - 1))
  if (value !== value) return (top << mantissa) | ((1 << mantissa) - 1)
  const magnitude = Math.abs(value)
  if (magnitude === Infinity) return overflow
  if (magnitude === 0) return sign
  const e = Math.max(Math.floor(Math.log2(magnitude)), 1 - bias(format))
  // Steps of the binade; a carry into the next one is the right code by itself.
  const steps = roundHalfEven(magnitude / 2 ** (e - mantissa))
  const code = steps < 1 << mantissa ? steps : ((e + bias(format)) << mantissa) + steps - (1 << mantissa)
  const largest = infinities ? (top << mantissa) - 1 : (top << mantissa) + (1 << mantissa) - 2
  return code > largest ? overflow : sign | code
}

const F16: SmallFloat = { exponent: 5, mantissa: 10, infinities: true }
const F8E4M3: SmallFloat = { exponent: 4, mantissa: 3, infinities: false }
const F8E5M2: SmallFloat = { exponent: 5, mantissa: 2, infinities: true }

/** The values of all codes of a format, made when they are first asked for: most programs read one format or none. */
const tableOf = (format: SmallFloat): (() => Float32Array) => {
  let table: Float32Array | undefined
  const make = (): Float32Array => {
    const made = new Float32Array(2 ** (1 + format.exponent + format.mantissa))
    for (let code = 0; code < made.length; code++) made[code] = decodeSmall(code, format)
    return made
  }
  return () => (table ??= make())
}

const f16Table = tableOf(F16)
const f8e4m3Table = tableOf(F8E4M3)
const f8e5m2Table = tableOf(F8E5M2)

const POWER_BIAS = 127
const NO_POWER = 255

/** Values by code, of the small floats whose codes are few enough for a table. */
export const FLOAT_TABLES: Readonly<Record<'f16' | 'f8e4m3' | 'f8e5m2' | 'f8e8m0', Float32Array>> = Object.freeze({
  get f16() {
    return f16Table()
  },
  get f8e4m3() {
    return f8e4m3Table()
  },
  get f8e5m2() {
    return f8e5m2Table()
  },
  f8e8m0: Float32Array.from({ length: 256 }, (_, code) => (code === NO_POWER ? NaN : 2 ** (code - POWER_BIAS))),
})

/** bfloat16 of many float32 values. */
export const encodeAllBf16 = (values: Float32Array): Uint16Array => {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const codes = new Uint16Array(values.length)
  for (let i = 0; i < codes.length; i++) {
    const own = bits[i]
    codes[i] = (own & 0x7fffffff) > F32_INFINITY ? (own >>> 16) | 0x40 : (own + 0x7fff + ((own >>> 16) & 1)) >>> 16
  }
  return codes
}

export const decodeF16 = (code: number): number => f16Table()[code]
export const decodeF8e4m3 = (code: number): number => f8e4m3Table()[code]
export const decodeF8e5m2 = (code: number): number => f8e5m2Table()[code]

/** 8-bit float with 4 exponent bits: no infinities, so overflow becomes NaN (largest finite 448). */
export const encodeF8e4m3 = (value: number): number => encodeSmall(Math.fround(value), F8E4M3)

/** 8-bit float with 5 exponent bits: IEEE-like, overflow becomes an infinity (largest finite 57344). */
export const encodeF8e5m2 = (value: number): number => encodeSmall(Math.fround(value), F8E5M2)
