import { addToHistogram, emptyHistogram, magnitudes, middleOf } from './histogram.js'

const sum = (counts: Iterable<number>): number => [...counts].reduce((a, b) => a + b, 0)

it('loses no value when its bins grow, and keeps each within a bin of where it was', () => {
  let histogram = addToHistogram(emptyHistogram(), Float32Array.of(0.5, -0.25, 0, 0.1))
  histogram = addToHistogram(histogram, Float32Array.of(100, -7, 0))
  expect(sum(histogram.counts)).toBe(5)
  expect(histogram).toMatchObject({ zeros: 2, low: -7, high: 100 })
  const seen = [...histogram.counts].flatMap((count, bin) => (count > 0 ? [middleOf(histogram, bin)] : []))
  for (const value of [0.5, -0.25, 0.1, 100, -7])
    expect(Math.min(...seen.map(middle => Math.abs(middle - value)))).toBeLessThanOrEqual(histogram.width)
})

it('folds magnitudes', () => {
  const histogram = addToHistogram(emptyHistogram(), Float32Array.of(-8, 8, 1, -1.1, 3))
  const { counts, width } = magnitudes(histogram, 8)
  expect(width).toBe(1)
  expect([...counts]).toEqual([0, 2, 0, 1, 0, 0, 0, 2])
  expect(sum(magnitudes(emptyHistogram(), 8).counts)).toBe(0)
})
