import { createRng } from '@tersor/core'
import { codeOf, lineBetween } from '@tersor/core'
import { mseObserver } from './mse.js'
import { observedRange } from './observer.js'

const errorOn = (values: Float32Array, low: number, high: number, bits: number): number => {
  const line = lineBetween(low, high, { bits, symmetric: false })
  return values.reduce((sum, value) => sum + (value - (codeOf(value, line, bits) - line.zero) * line.scale) ** 2, 0)
}

it('finds a range that a loop over the values themselves cannot beat by much', () => {
  const rng = createRng(8)
  const values = Float32Array.from({ length: 4000 }, () => rng.normal() ** 3)
  const bits = 4
  const [low, high] = observedRange(mseObserver(), [values], { bits, symmetric: false })
  const [least, most] = [Math.min(...values), Math.max(...values)]
  const errors = Array.from({ length: 91 }, (_, i) => errorOn(values, (least * (i + 10)) / 100, (most * (i + 10)) / 100, bits))
  expect(errorOn(values, low, high, bits)).toBeLessThan(1.01 * Math.min(...errors))
  expect(errorOn(values, low, high, bits)).toBeLessThan(0.75 * errorOn(values, least, most, bits))
})

it('keeps the whole range where nothing is gained', () => {
  expect(observedRange(mseObserver(), [Float32Array.of(0, 1, 2, 3)], { bits: 2, symmetric: false })).toEqual([0, 3])
  expect(observedRange(mseObserver(), [], { bits: 8, symmetric: false })).toEqual([0, 0])
})
