import { adam, chain, clip, warmupCosine, type GradientTransform } from '@tersor/core'

interface Recipe {
  readonly steps: number
  /** That gradients are clipped to. */
  readonly norm: number
  /** Learning rate that ten steps climb to; 1e-3 where absent. */
  readonly peak?: number
  /** The part of it that half a cosine falls to; a tenth where absent. */
  readonly floor?: number
}

/** What networks are trained with where a paper says nothing else: Adam on a cosine. */
export const adamOnCosine = ({ steps, norm, peak = 1e-3, floor = 0.1 }: Recipe): GradientTransform =>
  chain(clip({ norm }), adam({ learningRate: warmupCosine({ peak, warmup: 10, steps, floor }) }))
