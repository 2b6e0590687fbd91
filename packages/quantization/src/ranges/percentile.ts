import { fraction } from '@tersor/core'
import { addToHistogram, emptyHistogram, middleOf, type Histogram } from './histogram.js'
import { defineObserver, type Observing } from './observer.js'

/** The value below which a share of all values lies: the middle of its bin. */
const quantile = (histogram: Histogram, share: number): number => {
  const { counts, zeros } = histogram
  const half = counts.length / 2
  let total = zeros
  for (const count of counts) total += count
  let below = 0
  for (let bin = 0; bin < counts.length; bin++) {
    if (bin === half) {
      below += zeros
      if (below >= share * total && zeros > 0) return 0
    }
    below += counts[bin]
    if (counts[bin] > 0 && below >= share * total) return middleOf(histogram, bin)
  }
  return histogram.high
}

/**
 * Percentile: the range holds a share p of the values, (1 − p) / 2 are clipped on each side; of values of one sign, 1 − p on the far one.
 * McKinstry et al. 2018, https://arxiv.org/abs/1809.04191. Throws BAD_OPTION.
 */
export const percentileObserver = defineObserver({
  name: 'percentile',
  summary: 'covers a share p of all values and clips the rest',
  paper: {
    title: 'Discovering Low-Precision Networks Close to Full-Precision Networks for Efficient Embedded Inference',
    authors: 'McKinstry et al.',
    year: 2018,
    url: 'https://arxiv.org/abs/1809.04191',
  },
  differs: 'quantiles come from a histogram, exact to one bin (1/2,048 of the largest magnitude or finer)',
  options: { percentile: fraction({ default: 0.9999, doc: 'share of the values that the range holds' }) },
  make: ({ percentile }): Observing<Histogram> => ({
    init: emptyHistogram,
    update: addToHistogram,
    range: histogram => {
      const { low, high } = histogram
      const tail = low < 0 && high > 0 ? (1 - percentile) / 2 : 1 - percentile
      return [
        low < 0 ? Math.max(low, Math.min(0, quantile(histogram, tail))) : 0,
        high > 0 ? Math.min(high, Math.max(0, quantile(histogram, 1 - tail))) : 0,
      ]
    },
  }),
})
