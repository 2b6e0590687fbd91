import { checkOptions, fraction } from '@tersor/core'
import { extremesOf, type Observer } from './observer.js'

/** The averages of the least and the largest value of a batch. */
type Averages = readonly [low: number, high: number] | undefined

export const movingAverageOptions = {
  momentum: fraction({ default: 0.9, doc: 'weight of the batches before in the moving average' }),
}

/**
 * Moving average: low ← m · low + (1 − m) · min(batch), high likewise, from the first batch on; a rare outlier counts little.
 * Jacob et al. 2017, https://arxiv.org/abs/1712.05877, section 3.1. Throws BAD_OPTION.
 * Differs from the paper: m is 0.9 and not near 1, since calibration has tens of batches and training thousands.
 */
export const movingAverageObserver = (options: { readonly momentum?: number } = {}): Observer<Averages> => {
  const { momentum } = checkOptions('movingAverageObserver', movingAverageOptions, options)
  const blend = (before: number, now: number): number => momentum * before + (1 - momentum) * now
  return Object.freeze<Observer<Averages>>({
    name: 'moving-average',
    init: () => undefined,
    update: (seen, values) => {
      if (values.length === 0) return seen
      const [low, high] = extremesOf(values)
      return seen ? [blend(seen[0], low), blend(seen[1], high)] : [low, high]
    },
    range: seen => seen ?? [0, 0],
  })
}
