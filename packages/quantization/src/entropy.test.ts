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
