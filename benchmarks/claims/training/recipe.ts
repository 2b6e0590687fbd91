import { adam, chain, clip, warmupCosine, type GradientTransform } from '@tersor/core'

/** What both kinds of claims train with unless a paper says otherwise: Adam, ten steps up to 1e-3 and half a cosine down to a part of it, gradients clipped. */
export const adamOnCosine = ({ steps, norm, floor = 0.1 }: { steps: number; norm: number; floor?: number }): GradientTransform =>
  chain(clip({ norm }), adam({ learningRate: warmupCosine({ peak: 1e-3, warmup: 10, steps, floor }) }))
