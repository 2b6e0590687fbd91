import * as tf from '@tensorflow/tfjs-core'
import { decode, number } from '@tersor/core'
import { scoresByParameter } from './summed-scores.js'
import { defineUnitScore } from './unit-score.js'

/**
 * Scores units by their weights: mean over members of Σ |w|^p, over the rows that write a unit and the columns that read it.
 * W: any shape that has the units on an axis. Throws BAD_OPTION. Li et al. 2016, https://arxiv.org/abs/1608.08710
 */
export const unitNorm = defineUnitScore({
  name: 'unit-norm',
  summary: 'scores units by the sum of |w|^p over the weights that write and read them',
  paper: { title: 'Pruning Filters for Efficient ConvNets', authors: 'Li et al.', year: 2016, url: 'https://arxiv.org/abs/1608.08710' },
  differs: 'what reads a unit counts as well as what writes it; of several weights the mean is taken',
  options: { power: number({ min: 0.5, max: 4, default: 2, doc: 'p: 1 for sums of magnitudes, 2 for sums of squares' }) },
  make: ({ power }) => ({
    of: async ({ model: { params }, couplings, context: { signal } }) => {
      const scores = scoresByParameter(couplings)
      for (const name of scores.names) {
        signal.throwIfAborted()
        const parameter = await params.read(name, { signal })
        await scores.add(name, () => tf.pow(tf.abs(decode(parameter)), power))
      }
      return scores.all()
    },
  }),
})
