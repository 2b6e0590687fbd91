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

it('folds magnitudes into even bins, whatever the largest', () => {
  const histogram = addToHistogram(emptyHistogram(8), Float32Array.of(-8, 8, 1, -1.1, 3))
  expect(magnitudes(histogram, 8)).toEqual({ width: 1, counts: Float64Array.of(0, 2, 0, 1, 0, 0, 0, 2) })
  // 64 bins of 1/8 reach 5, which is no power of two; two of them make one of 20
  const odd = addToHistogram(
    emptyHistogram(64),
    Float32Array.from({ length: 40 }, (_, i) => (i + 0.5) / 8),
  )
  expect(magnitudes(odd, 20)).toEqual({ width: 0.25, counts: new Float64Array(20).fill(2) })
  expect(magnitudes(emptyHistogram(), 8).counts.length).toBe(0)
})
