import { codeOf, lineBetween } from '@tersor/core'
import { addToHistogram, emptyHistogram, middleOf, type Histogram } from './histogram.js'
import { defineObserver, type Levels, type Observing } from './observer.js'

/** Ranges that are tried: so many equal parts of the whole one, down to a few. */
const PARTS = 100
const FEWEST = 10

/** Σ count · (x − x̂)² over the middles of the bins. */
const errorOf = (histogram: Histogram, low: number, high: number, { bits, symmetric }: Levels): number => {
  const line = lineBetween(low, high, { bits, symmetric })
  let sum = 0
  for (let bin = 0; bin < histogram.counts.length; bin++) {
    const count = histogram.counts[bin]
    if (count === 0) continue
    const value = middleOf(histogram, bin)
    sum += count * (value - (codeOf(value, line, bits) - line.zero) * line.scale) ** 2
  }
  return sum
}

/**
 * Mean squared error: of 91 ranges [low, high] · k / 100 the one with the least Σ (x − x̂)² over a histogram; the wider one in a tie.
 * Clipping costs where the few large values are, and rounding everywhere else: the sum weighs them.
 * Sung et al. 2015, https://arxiv.org/abs/1511.06488
 */
export const mseObserver = defineObserver({
  name: 'mse',
  summary: 'takes the range with the least mean squared error of rounding',
  paper: {
    title: 'Resiliency of Deep Neural Networks under Quantization',
    authors: 'Sung et al.',
    year: 2015,
    url: 'https://arxiv.org/abs/1511.06488',
  },
  differs: 'a plain search over clipping ranges in place of an alternation',
  options: {},
  make: (): Observing<Histogram> => ({
    init: emptyHistogram,
    update: addToHistogram,
    range: (histogram, levels) => {
      const { low, high } = histogram
      let [best, least] = [1, Infinity]
      for (let part = PARTS; part >= FEWEST; part--) {
        const found = errorOf(histogram, (low * part) / PARTS, (high * part) / PARTS, levels)
        if (found < least) [best, least] = [part / PARTS, found]
      }
      return [low * best, high * best]
    },
  }),
})
