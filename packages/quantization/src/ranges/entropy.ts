import { addToHistogram, emptyHistogram, magnitudes, type Histogram } from './histogram.js'
import { defineObserver, type Observing } from './observer.js'

/** Bins of |x| that thresholds are tried at, and the finer ones that they are runs of: uneven bins would find other thresholds. */
const BINS = 2048
const FINE = 32 * BINS

/**
 * KL(P ‖ Q) where P is the histogram up to a threshold, what lies beyond in its last bin, and Q the same histogram without that, each run of
 * bins that a level stands for spread evenly over those of them that are not empty. Infinite where P has mass that Q has not.
 */
const divergence = (counts: Float64Array, bins: number, levels: number, beyond: number): number => {
  let [total, inside] = [beyond, 0]
  for (let i = 0; i < bins; i++) inside += counts[i]
  total += inside
  if (inside === 0) return Infinity
  let sum = 0
  for (let level = 0; level < levels; level++) {
    const start = Math.floor((level * bins) / levels)
    const end = Math.floor(((level + 1) * bins) / levels)
    let [mass, filled] = [0, 0]
    for (let i = start; i < end; i++) {
      mass += counts[i]
      if (counts[i] > 0) filled++
    }
    for (let i = start; i < end; i++) {
      const p = counts[i] + (i === bins - 1 ? beyond : 0)
      if (p === 0) continue
      if (counts[i] === 0) return Infinity
      sum += (p / total) * Math.log((p * inside * filled) / (total * mass))
    }
  }
  return sum
}

/** The threshold, in bins, whose quantized distribution is nearest to the whole one; ties go to the wider. */
const bestThreshold = (counts: Float64Array, levels: number): number => {
  let [best, least, beyond] = [counts.length, divergence(counts, counts.length, levels, 0), 0]
  for (let bins = counts.length - 1; bins >= levels; bins--) {
    beyond += counts[bins]
    const found = divergence(counts, bins, levels, beyond)
    if (found < least) [best, least] = [bins, found]
  }
  return best
}

/**
 * Entropy: clips |x| at the threshold t whose rounded distribution loses the least information, min over t of KL(P(|x|) ‖ Q_t(|x|)),
 * over some 2,048 bins of one width; 2^b levels for values of one sign, 2^(b−1) for others.
 * Migacz 2017, 8-bit inference with TensorRT, https://on-demand.gputechconf.com/gtc/2017/presentation/s7310-8-bit-inference-with-tensorrt.pdf
 */
export const entropyObserver = defineObserver({
  name: 'entropy',
  summary: 'clips at the threshold whose rounded distribution loses the least information',
  paper: {
    title: '8-bit Inference with TensorRT',
    authors: 'Migacz',
    year: 2017,
    url: 'https://on-demand.gputechconf.com/gtc/2017/presentation/s7310-8-bit-inference-with-tensorrt.pdf',
  },
  differs: 'zeros, which every grid holds exactly, are left out of P',
  options: {},
  make: (): Observing<Histogram> => ({
    init: () => emptyHistogram(FINE),
    update: addToHistogram,
    range: (histogram, { bits, symmetric }) => {
      const { low, high } = histogram
      const oneSided = !symmetric && (low >= 0 || high <= 0)
      const { counts, width } = magnitudes(histogram, BINS)
      const threshold = bestThreshold(counts, oneSided ? 2 ** bits : 2 ** (bits - 1)) * width
      return [Math.max(low, -threshold), Math.min(high, threshold)]
    },
  }),
})
