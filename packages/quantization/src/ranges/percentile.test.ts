import { createRng } from '@tersor/core'
import { observedRange } from './observer.js'
import { percentileObserver } from './percentile.js'

const LEVELS = { bits: 8, symmetric: false }

it('cuts the tail of values of one sign', () => {
  // 1 … 1000: 99 % lie up to 990, and a bin is 1024 / 4096 wide
  const values = Float32Array.from({ length: 1000 }, (_, i) => i + 1)
  const [low, high] = observedRange(percentileObserver({ percentile: 0.99 }), [values.subarray(0, 400), values.subarray(400)], LEVELS)
  expect(low).toBe(0)
  expect(Math.abs(high - 990)).toBeLessThan(0.5)
})

it('agrees with sorting, both tails alike', () => {
  const rng = createRng(4)
  const values = Float32Array.from({ length: 20_000 }, () => rng.normal())
  const sorted = [...values].sort((a, b) => a - b)
  const [low, high] = observedRange(percentileObserver({ percentile: 0.98 }), [values], LEVELS)
  expect(low).toBeCloseTo(sorted[200], 2)
  expect(high).toBeCloseTo(sorted[19_800], 2)
})

it('keeps zeros in mind: a range of mostly zeros ends at zero', () => {
  const values = new Float32Array(1000)
  values[3] = 9
  expect(observedRange(percentileObserver({ percentile: 0.99 }), [values], LEVELS)).toEqual([0, 0])
  expect(observedRange(percentileObserver(), [], LEVELS)).toEqual([0, 0])
})

it('checks its share', () => {
  expect(() => percentileObserver({ percentile: 99 })).toThrow(
    'percentile observer got percentile = 99.\nPass at least 0, below 1: share of the values that the range holds.',
  )
})
