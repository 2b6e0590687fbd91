import { minMaxObserver } from './min-max.js'
import { observedRange } from './observer.js'

const LEVELS = { bits: 8, symmetric: false }

it('reaches over all batches, by hand', () => {
  expect(observedRange(minMaxObserver(), [Float32Array.of(1, -2), Float32Array.of(0, 5, 3)], LEVELS)).toEqual([-2, 5])
})

it('takes the first values as they are, and nothing for nothing', () => {
  expect(observedRange(minMaxObserver(), [Float32Array.of(3, 4)], LEVELS)).toEqual([3, 4])
  expect(observedRange(minMaxObserver(), [], LEVELS)).toEqual([0, 0])
  expect(observedRange(minMaxObserver(), [Float32Array.of(3), new Float32Array(0)], LEVELS)).toEqual([3, 3])
})
