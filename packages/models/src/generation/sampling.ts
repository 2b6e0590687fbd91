import { CompressionError } from '@tersor/tensor'
import type { Rng } from '@tersor/core'

/** The index of the largest logit; the first of equals. */
export const greedy = (logits: ArrayLike<number>): number => {
  let best = 0
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i
  return best
}

/** Draws an index with probability softmax(logits / temperature). */
export const sample = (logits: ArrayLike<number>, temperature: number, rng: Rng): number => {
  const largest = logits[greedy(logits)]
  const shares = Float64Array.from(logits, logit => Math.exp((logit - largest) / temperature))
  let left = rng.uniform() * shares.reduce((sum, share) => sum + share, 0)
  for (let i = 0; i < shares.length; i++) {
    left -= shares[i]
    if (left < 0) return i
  }
  return greedy(logits) // what rounding leaves over
}

/** Checks a temperature; throws BAD_OPTION for a negative one and for none. */
export const checkTemperature = (temperature: number): void => {
  if (Number.isFinite(temperature) && temperature >= 0) return
  throw new CompressionError(
    'BAD_OPTION',
    `temperature is ${temperature}; expected a number from 0 on.`,
    'Pass 0 for the likeliest token each time, or about 0.8 for variety.',
    { temperature },
  )
}
