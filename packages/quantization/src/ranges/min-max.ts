import { defineObserver, extremesOf, type Observing } from './observer.js'

/** The least and the largest value so far. */
type Extremes = readonly [low: number, high: number] | undefined

/**
 * Min-max: the range reaches from the least to the largest value of all batches; nothing is clipped, and one outlier spoils the rest.
 * Jacob et al. 2017, https://arxiv.org/abs/1712.05877, section 3.1
 */
export const minMaxObserver = defineObserver({
  name: 'min-max',
  summary: 'covers everything that was seen, from the least to the largest value of all batches',
  paper: {
    title: 'Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference',
    authors: 'Jacob et al.',
    year: 2017,
    url: 'https://arxiv.org/abs/1712.05877',
    section: 'section 3.1',
  },
  options: {},
  make: (): Observing<Extremes> => ({
    init: () => undefined,
    update: (seen, values) => {
      if (values.length === 0) return seen
      const [low, high] = extremesOf(values)
      return seen ? [Math.min(seen[0], low), Math.max(seen[1], high)] : [low, high]
    },
    range: seen => seen ?? [0, 0],
  }),
})
