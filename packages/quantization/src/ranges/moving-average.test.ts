import { movingAverageObserver } from './moving-average.js'
import { observedRange } from './observer.js'

const LEVELS = { bits: 8, symmetric: false }

it('averages from the first batch on, by hand', () => {
  // low: −1 → 0.75 · −1 + 0.25 · −5 = −2; high: 2 → 0.75 · 2 + 0.25 · 10 = 4
  const batches = [Float32Array.of(-1, 2), Float32Array.of(-5, 10)]
  expect(observedRange(movingAverageObserver({ momentum: 0.75 }), batches, LEVELS)).toEqual([-2, 4])
})

it('is the last batch without momentum', () => {
  expect(observedRange(movingAverageObserver({ momentum: 0 }), [Float32Array.of(-9, 9), Float32Array.of(1, 2)], LEVELS)).toEqual([1, 2])
  expect(observedRange(movingAverageObserver(), [], LEVELS)).toEqual([0, 0])
})

it('checks its momentum', () => {
  expect(() => movingAverageObserver({ momentum: 1 })).toThrow(
    'moving-average observer got momentum = 1.\nPass at least 0, below 1: weight of the batches before in the moving average.',
  )
})
