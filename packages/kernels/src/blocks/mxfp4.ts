import { BLOCK, contentOf, type BlockFormat } from './block-format.js'
import { packNibbles, unpackNibbles } from './pack-4-bit.js'

const { fround, abs, floor, log2 } = Math
const BYTES = 17

/** Twice what E2M1 codes stand for: a sign, two bits of exponent, one of mantissa. */
const GRID = Int8Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)
const BIAS = 127
/** E2M1 ends at 6 = 1.5 · 2². */
const LARGEST_EXPONENT = 2

/** Half of the scale that an E8M0 code stands for. */
const halfScale = (code: number): number => 2 ** (code - BIAS - 1)

/** The nearest number of the grid, the first one of equals. */
const nearestCode = (value: number, scale: number): number => {
  let best = 0
  let bestError = abs(value)
  for (let code = 1; code < GRID.length; code++) {
    const error = abs(fround(fround(GRID[code] * scale) - value))
    if (error < bestError) {
      best = code
      bestError = error
    }
  }
  return best
}

/** floor(log2 x) by a float32 logarithm. */
const exponentOf = (value: number): number => floor(fround(log2(value)))

const LOWEST = -150
const HIGHEST = 128
const bitsOf = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]
const floatOf = (bits: number): number => new Float32Array(Int32Array.of(bits).buffer)[0]

/** Bits of the least float whose exponent is at least e, for e = -150 … 128: up to 2^e, from which a logarithm that rounds is not far. */
export const exponentThresholds = (): Int32Array =>
  Int32Array.from({ length: HIGHEST - LOWEST + 1 }, (_, index) => {
    const exponent = LOWEST + index
    let [low, high] = [Math.max(1, bitsOf(2 ** (exponent - 1))), bitsOf(2 ** exponent)] // of infinity for the last
    while (low < high) {
      const middle = (low + high) >>> 1
      if (exponentOf(floatOf(middle)) >= exponent) high = middle
      else low = middle + 1
    }
    return low
  })

/** The exponent is that of the largest magnitude, by a float32 logarithm: numbers just below a power of two count as it. */
const encode = (values: Float32Array): Uint8Array => {
  const bytes = new Uint8Array((values.length / BLOCK) * BYTES)
  const codes = new Uint8Array(BLOCK)
  for (let from = 0, at = 0; from < values.length; from += BLOCK, at += BYTES) {
    let largest = 0
    for (let i = from; i < from + BLOCK; i++) if (abs(values[i]) > largest) largest = abs(values[i])
    const exponent = largest > 0 ? exponentOf(largest) - LARGEST_EXPONENT + BIAS : 0
    bytes[at] = exponent
    const scale = halfScale(bytes[at])
    for (let i = 0; i < BLOCK; i++) codes[i] = nearestCode(values[from + i], scale)
    packNibbles(codes, 0, bytes, at + 1)
  }
  return bytes
}

const SHAPE = Object.freeze({ block: BLOCK, ranged: false })

const decode = (blocks: Uint8Array): Float32Array => {
  const values = new Float32Array((blocks.length / BYTES) * BLOCK)
  const { codes } = contentOf(SHAPE)
  for (let at = 0, to = 0; at < blocks.length; at += BYTES, to += BLOCK) {
    const scale = halfScale(blocks[at])
    unpackNibbles(blocks, at + 1, codes, 0)
    for (let i = 0; i < BLOCK; i++) values[to + i] = scale * GRID[codes[i]]
  }
  return values
}

/** 4.25 bits: an E8M0 scale, which is no half but a code, 16 bytes as in Q4_0 of E2M1 codes. Importance changes nothing. */
export const MXFP4: BlockFormat = Object.freeze<BlockFormat>({
  ...SHAPE,
  bytes: BYTES,
  group: BLOCK,
  pack: ({ codes, scaleCodes }, index, bytes, at) => {
    bytes[at] = scaleCodes[index]
    packNibbles(codes, index * BLOCK, bytes, at + 1)
  },
  unpack: (bytes, at, { codes, scaleCodes }, index) => {
    scaleCodes[index] = bytes[at]
    unpackNibbles(bytes, at + 1, codes, index * BLOCK)
  },
  encode,
  decode,
})
