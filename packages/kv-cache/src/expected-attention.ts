import * as tf from '@tensorflow/tfjs-core'
import { boolean, definePolicy, integer, turnPairs, type AttentionFacts, type Features } from '@tersor/core'
import { budgetOptions, refusedBudget } from './budget.js'
import { scored } from './scored.js'

/** The mean of the rotations of some positions to come: cosines and sines of each pair, (size / 2). */
const meanRotation = (frequencies: Float32Array, next: number, future: number): readonly [cos: tf.Tensor, sin: tf.Tensor] => {
  const mean = (wave: (angle: number) => number): tf.Tensor =>
    tf.tensor1d(frequencies.map(frequency => {
      let sum = 0
      for (let i = 0; i < future; i++) sum += wave((next + i) * frequency)
      return sum / future
    })) // prettier-ignore
  return [mean(Math.cos), mean(Math.sin)]
}

/** Mean and covariance of the queries to come: R μ and R Σ Rᵀ, R the mean rotation. */
const futureMoments = (
  { mean, covariance }: Features['queryMoments'],
  { positions, frequencies }: AttentionFacts,
  next: number,
  future: number,
): Features['queryMoments'] => {
  const known = positions === 'rotated' ? frequencies?.() : undefined
  if (!known) return { mean, covariance }
  const rotation = meanRotation(known, next, future)
  const turned = (x: tf.Tensor): tf.Tensor => turnPairs(x, ...rotation)
  const axes = [0, 1, 3, 2]
  return {
    mean: turned(mean),
    covariance: tf.transpose(turned(tf.transpose(turned(covariance), axes)), axes),
  }
}

/**
 * Expected Attention: keeps what queries to come are expected to look at, as if they were normal with the moments of those seen.
 * ln E[exp(q·k·c)] = c μ'·k + c² k Σ' kᵀ / 2, c the scale of the scores, μ', Σ' the moments under the mean rotation of the next positions;
 * s_j = softmax_j · ‖v_j‖, the mean of the query heads that share a key; s: (rows, entries).
 * Throws BAD_OPTION for a budget below sinks and recent entries; UNSUPPORTED, when it is asked, where rotations follow the length of the text.
 * Devoto et al. 2025, https://arxiv.org/abs/2510.00636
 */
export const expectedAttention = definePolicy({
  name: 'expected-attention',
  summary: 'keeps what queries to come are expected to look at',
  paper: {
    title: 'Expected Attention: KV Cache Compression by Estimating Attention from Future Queries Distribution',
    authors: 'Devoto et al.',
    year: 2025,
    url: 'https://arxiv.org/abs/2510.00636',
  },
  differs: 'moments are those of the queries since the plan was asked last, turned back by their positions, not of hidden states',
  options: {
    ...budgetOptions({ sinks: 4, recent: 1 }),
    future: integer({ min: 1, max: 65536, default: 512, doc: 'positions to come whose rotations are averaged' }),
    values: boolean({ default: true, doc: 'whether scores are multiplied by the length of the value' }),
  },
  check: refusedBudget,
  make: ({ future, values: weighted, ...options }) =>
    scored(options, { queryMoments: Infinity }, ({ keys, values, queryMoments }, { layer: { attention }, next }) => {
      const { mean, covariance } = futureMoments(queryMoments, attention, next, future)
      const k = tf.expandDims(keys, 1) // (rows, 1, entries, size)
      const first = tf.sum(tf.mul(k, tf.expandDims(mean, 2)), -1) // (rows, groups, entries)
      const groups = mean.shape[1]!
      const each = tf.tile(k, [1, groups, 1, 1])
      const second = tf.sum(tf.mul(tf.matMul(each, covariance), each), -1)
      const logits = tf.add(tf.mul(first, attention.scale), tf.mul(second, attention.scale ** 2 / 2))
      const expected = tf.mean(tf.softmax(logits, -1), 1) // (rows, entries)
      return weighted ? tf.mul(expected, tf.norm(values, 'euclidean', -1)) : expected
    }),
})
