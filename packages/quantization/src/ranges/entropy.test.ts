import { createRng } from '@tersor/core'
import { entropyObserver } from './entropy.js'
import { observedRange } from './observer.js'

const LEVELS = { bits: 8, symmetric: false }

it('clips a single far value and keeps the bulk', () => {
  const rng = createRng(4)
  const values = Float32Array.from({ length: 50_000 }, () => rng.normal())
  values[7] = 40
  const [low, high] = observedRange(entropyObserver(), [values], LEVELS)
  expect(low).toBeGreaterThan(-6)
  expect(low).toBeLessThan(-2.5)
  expect(high).toBeLessThan(10)
  expect(high).toBeGreaterThan(2.5)
})

it('keeps the whole range of values that lie evenly', () => {
  const values = Float32Array.from({ length: 40_960 }, (_, i) => (i + 0.5) / 40_960)
  const [low, high] = observedRange(entropyObserver(), [values], LEVELS)
  expect(low).toBe(0)
  expect(high).toBeGreaterThan(0.98)
})

it('gives nothing for nothing', () => {
  expect(observedRange(entropyObserver(), [new Float32Array(9)], LEVELS)).toEqual([0, 0])
})

/** The published search in plain loops, over bins that the largest value ends. */
const plainThreshold = (values: Float32Array, levels: number, bins: number): number => {
  const reach = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const counts = new Float64Array(bins)
  for (const value of values) if (value !== 0) counts[Math.min(bins - 1, Math.floor((Math.abs(value) / reach) * bins))]++
  let [best, least] = [bins, Infinity]
  for (let n = bins; n >= levels; n--) {
    const [p, q] = [counts.slice(0, n), new Float64Array(n)]
    for (let i = n; i < bins; i++) p[n - 1] += counts[i]
    for (let level = 0; level < levels; level++) {
      const [start, end] = [Math.floor((level * n) / levels), Math.floor(((level + 1) * n) / levels)]
      let [mass, filled] = [0, 0]
      for (let i = start; i < end; i++) [mass, filled] = [mass + counts[i], filled + Number(counts[i] > 0)]
      for (let i = start; i < end; i++) if (counts[i] > 0) q[i] = mass / filled
    }
    const [ofP, ofQ] = [p.reduce((sum, each) => sum + each, 0), q.reduce((sum, each) => sum + each, 0)]
    let divergence = 0
    for (let i = 0; i < n; i++) if (p[i] > 0) divergence += (p[i] / ofP) * Math.log(p[i] / ofP / (q[i] / ofQ))
    if (divergence < least) [best, least] = [n, divergence]
  }
  return (best / bins) * reach
}

it.each([1.3, 3.1])('finds the threshold of the published search, whatever the largest value: %d', scale => {
  const rng = createRng(7)
  const values = Float32Array.from({ length: 150_000 }, () => scale * Math.max(0, rng.normal()))
  const [low, high] = observedRange(entropyObserver(), [values.subarray(0, 1000), values.subarray(1000)], LEVELS)
  expect(low).toBe(0)
  expect(Math.abs(high / plainThreshold(values, 256, 2048) - 1)).toBeLessThan(0.03)
})
