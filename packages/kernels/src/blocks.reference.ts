import { encodeF16 } from '@tersor/tensor'

const { fround, min, max, abs, floor } = Math
const BLOCK = 32

/** C's conversion of a float32 to a byte on x86: infinities and NaN become 0. */
const truncated = (value: number): number => fround(value) | 0

const nibbles = (codes: readonly number[]): number[] => Array.from({ length: 16 }, (_, i) => (codes[i] & 15) | ((codes[i + 16] & 15) << 4))
const fifths = (codes: readonly number[]): number[] =>
  Array.from({ length: 4 }, (_, byte) =>
    codes.slice(8 * byte, 8 * byte + 8).reduce((sum, code, bit) => sum | (((code >> 4) & 1) << bit), 0),
  )
const half = (value: number): number[] => [encodeF16(value) & 255, encodeF16(value) >> 8]
const inverseOf = (scale: number): number => (scale === 0 ? 0 : fround(1 / scale))

const extremeOf = (x: readonly number[]): number => x.reduce((best, value) => (abs(value) > abs(best) ? value : best), 0)

const symmetric = (levels: number) => (x: readonly number[]) => {
  const scale = fround(extremeOf(x) / -levels)
  const inverse = inverseOf(scale)
  const codes = x.map(value => min(2 * levels - 1, truncated(fround(fround(value * inverse) + levels + 0.5))))
  return [...half(scale), ...(levels === 16 ? fifths(codes) : []), ...nibbles(codes)]
}

const range = (top: number) => (x: readonly number[]) => {
  const smallest = x.reduce((least, value) => (value < least ? value : least))
  const largest = x.reduce((most, value) => (value > most ? value : most))
  const scale = fround(fround(largest - smallest) / top)
  const inverse = inverseOf(scale)
  const codes = x.map(value => min(top, truncated(fround(fround(fround(value - smallest) * inverse) + 0.5))))
  return [...half(scale), ...half(smallest), ...(top === 31 ? fifths(codes) : []), ...nibbles(codes)]
}

const bytes = (x: readonly number[]) => {
  const scale = fround(x.reduce((most, value) => max(most, abs(value)), 0) / 127)
  const inverse = inverseOf(scale)
  const steps = x.map(value => fround(value * inverse))
  return [...half(scale), ...steps.map(step => (step < 0 ? -floor(0.5 - step) : floor(step + 0.5)) & 255)]
}

/** GGUF's blocks in plain loops. */
export const quantizeBlock: Readonly<Record<string, (x: readonly number[]) => number[]>> = {
  quantizeQ4_0: symmetric(8),
  quantizeQ4_1: range(15),
  quantizeQ5_0: symmetric(16),
  quantizeQ5_1: range(31),
  quantizeQ8_0: bytes,
}

/** The same over whole blocks. */
export const quantizeReference = (kernel: string, values: Float32Array): number[] =>
  Array.from({ length: values.length / BLOCK }, (_, block) =>
    quantizeBlock[kernel]([...values.subarray(block * BLOCK, (block + 1) * BLOCK)]),
  ).flat()
