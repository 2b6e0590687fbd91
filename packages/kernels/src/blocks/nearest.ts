/** Adding 1.5 · 2²³ leaves a float32 no bits for a fraction: the addition rounds, ties to even. */
const MAGIC = 12582912
const INTEGER_BITS = 0x7fffff
const ZERO_BITS = 0x400000

/** What the low bits hold where the sum left the range that rounds: ggml reads them all the same, and so its bytes depend on it. */
const lowBits = (sum: number): number => (new Int32Array(Float32Array.of(sum).buffer)[0] & INTEGER_BITS) - ZERO_BITS

/** The nearest integer of a float32, ties to even, as ggml's K types round. */
export const nearestInt = (value: number): number => {
  const sum = Math.fround(value + MAGIC)
  return sum >= 8388608 && sum < 16777216 ? sum - MAGIC : lowBits(sum)
}

/** The value where it is within low … high, else the nearer bound. */
export const clamp = (value: number, low: number, high: number): number => (value < low ? low : value > high ? high : value)
