import type { Tensor2D } from '@tensorflow/tfjs-core'
import { fraction, maskedOf, nOfM, optional, type Job, type Stats } from '@tersor/core'
import type { Encoded } from '@tersor/tensor'
import { keepLargestOnThreads, type Removal } from './patterns.js'

/** The options that every score-based method takes. */
export const removalOptions = {
  sparsity: fraction({ default: 0.5, doc: 'fraction of weights removed' }),
  pattern: optional(nOfM({ doc: 'N of every M neighbours kept, instead of sparsity' })),
}

/** Keeps the weights with the largest scores: masked{mask, values} over what stands at the site. scores: (out, in). */
export const prune = async (weight: Tensor2D, scores: Tensor2D, { current, signal }: Job<Stats>, removal: Removal): Promise<Encoded> => {
  const values = await scores.data<'float32'>()
  return maskedOf(await keepLargestOnThreads(values, weight.shape[1], removal, { signal }), current)
}
