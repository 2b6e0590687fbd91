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
    values[160 + i] = i % 2 ? 3e38 : -3e38
  }
  return values
}
