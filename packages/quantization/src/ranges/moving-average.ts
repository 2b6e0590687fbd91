import { fraction } from '@tersor/core'
import { defineObserver, extremesOf, type Observing } from './observer.js'

/** The averages of the least and the largest value of a batch. */
type Averages = readonly [low: number, high: number] | undefined

/**
 * Moving average: low ← m · low + (1 − m) · min(batch), high likewise, from the first batch on; a rare outlier counts little.
 * Jacob et al. 2017, https://arxiv.org/abs/1712.05877, section 3.1. Throws BAD_OPTION.
 */
export const movingAverageObserver = defineObserver({
  name: 'moving-average',
  summary: 'covers the least and the largest value as averaged over batches',
  paper: {
    title: 'Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference',
    authors: 'Jacob et al.',
    year: 2017,
    url: 'https://arxiv.org/abs/1712.05877',
    section: 'section 3.1',
  },
  differs: 'm is 0.9 and not near 1, since calibration has tens of batches and training thousands',
  options: { momentum: fraction({ default: 0.9, doc: 'weight of the batches before in the moving average' }) },
  make: ({ momentum }): Observing<Averages> => {
    const blend = (before: number, now: number): number => momentum * before + (1 - momentum) * now
    return {
      init: () => undefined,
      update: (seen, values) => {
        if (values.length === 0) return seen
        const [low, high] = extremesOf(values)
        return seen ? [blend(seen[0], low), blend(seen[1], high)] : [low, high]
      },
      range: seen => seen ?? [0, 0],
    }
  },
})
