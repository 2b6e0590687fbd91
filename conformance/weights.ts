import { createRng } from '@tersor/core'

/** Weights as networks have them and as they should not: one million in all, every kind in whole blocks. */
export const millionWeights = (): Float32Array => {
  const rng = createRng(2024)
  const values = new Float32Array(1 << 20)
  const quarter = values.length / 4
  const kinds: readonly (() => number)[] = [
    () => rng.normal() * 0.02,
    () => rng.normal() / Math.max(1e-3, Math.abs(rng.normal())), // Cauchy: outliers of any size
    () => (rng.uniform() < 0.9 ? 0 : rng.normal()) * 10 ** rng.integer(5),
    () => rng.normal() * 2 ** -(rng.integer(40) + 100), // down to subnormal floats and scales that vanish in half precision
  ]
  kinds.forEach((kind, index) => {
    for (let i = 0; i < quarter; i++) values[index * quarter + i] = kind()
  })
  // Whole blocks of zeros, of negative zeros, of one value and of exact halves.
  for (let i = 0; i < 32; i++) {
    values[i] = 0
    values[32 + i] = -0
    values[64 + i] = -1.5
    values[96 + i] = (i - 16) / 2
    values[128 + i] = 1e-40 * i
    values[160 + i] = i % 2 ? 65504 : -65504
  }
  // The same for super-blocks of 256, and what their searches treat apart.
  const specials: readonly ((i: number) => number)[] = [
    () => 0,
    () => -0,
    () => 0.75,
    () => -0.75,
    i => 1 + i / 256, // no value below zero
    i => -1 - i / 256,
    i => (i < 240 ? 0 : rng.normal()), // groups of zeros beside others
    i => (i % 16 === 0 ? 1000 : 1e-3) * rng.normal(),
    i => 1e-15 * (i - 128), // about the size that is taken for zero
    i => 2 ** ((i % 60) - 44) * (1 - 2 ** -24 * (i % 3)), // powers of two and their neighbours
    i => (i % 7) - 3,
    i => (i === 77 ? 6e4 : rng.normal()),
  ]
  specials.forEach((special, index) => {
    for (let i = 0; i < 256; i++) values[1024 + index * 256 + i] = special(i)
  })
  return values
}

/** Blocks of numbers that no half holds, by what they are like. */
export const HUGE: Readonly<Record<string, Float32Array>> = {
  'all of them near the end of float32': Float32Array.from({ length: 1024 }, (_, i) => (i % 2 ? 3e38 : -3e38)),
  'one of them alone': Float32Array.from({ length: 1024 }, (_, i) => (i === 77 ? 1e30 : Math.sin(i))),
  'a little beyond': Float32Array.from({ length: 1024 }, (_, i) => 1e5 * Math.sin(i)),
}

/** Importance of columns as calibration gives it: of any size, with columns that never saw anything. */
export const importanceOf = (columns: number): Float32Array => {
  const rng = createRng(7)
  return Float32Array.from({ length: columns }, (_, i) => (i % 96 < 20 || rng.uniform() < 0.02 ? 0 : rng.normal() ** 4 + 1e-6))
}

/** Importance without measure: half of the columns never seen, the rest over forty orders of magnitude. Searches leave their paths. */
export const harshImportanceOf = (columns: number): Float32Array => {
  const rng = createRng(106)
  return Float32Array.from({ length: columns }, () => (rng.uniform() < 0.5 ? 0 : rng.normal() ** 8 * 10 ** (rng.integer(20) - 10)))
}
