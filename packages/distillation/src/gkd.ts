import * as tf from '@tensorflow/tfjs-core'
import {
  asRows,
  defineTerm,
  divergenceOfRows,
  fraction,
  meanOfRows,
  positive,
  sameClasses,
  type Batch,
  type Rng,
  type TrainOptions,
  type Weights,
} from '@tersor/core'
import { logSoftmax } from '@tersor/kernels/log-softmax'
import { CompressionError } from '@tersor/tensor'

/** log(β p + (1 − β) q), from logarithms. */
const logMixture = (logP: tf.Tensor, logQ: tf.Tensor, beta: number): tf.Tensor => {
  const [a, b] = [tf.add(logP, Math.log(beta)), tf.add(logQ, Math.log(1 - beta))]
  const most = tf.maximum(a, b)
  return tf.add(most, tf.log(tf.add(tf.exp(tf.sub(a, most)), tf.exp(tf.sub(b, most)))))
}

/** β KL(p ‖ m) + (1 − β) KL(q ‖ m), m = β p + (1 − β) q; at its ends KL(p ‖ q) and KL(q ‖ p); of each row. */
const mixedDivergence = (logP: tf.Tensor, logQ: tf.Tensor, beta: number): tf.Tensor => {
  if (beta === 0) return divergenceOfRows(logP, logQ)
  if (beta === 1) return divergenceOfRows(logQ, logP)
  const logM = logMixture(logP, logQ, beta)
  return tf.add(tf.mul(divergenceOfRows(logP, logM), beta), tf.mul(divergenceOfRows(logQ, logM), 1 - beta))
}

/**
 * Generalized distillation: soft labels by the forward divergence, the reverse one, which keeps to what the teacher is sure of, or between.
 * β KL(p ‖ m) + (1 − β) KL(q ‖ m), m = β p + (1 − β) q, of the teacher's p and the student's q at a temperature; β = 0 is KL(p ‖ q), 1 is KL(q ‖ p).
 * On the student's own texts by `onPolicy`. Throws BAD_OPTION, SHAPE. Agarwal et al. 2023, https://arxiv.org/abs/2306.13649
 */
export const gkd = defineTerm({
  name: 'gkd',
  summary: 'learns the teacher’s answers by the forward divergence, the reverse one or between',
  paper: {
    title: 'On-Policy Distillation of Language Models: Learning from Self-Generated Mistakes',
    authors: 'Agarwal et al.',
    year: 2023,
    url: 'https://arxiv.org/abs/2306.13649',
  },
  options: {
    beta: fraction({
      default: 0.5,
      inclusive: true,
      doc: 'β: 0 is the forward divergence, 1 the reverse, and ½ that of Jensen and Shannon',
    }),
    temperature: positive({ default: 0.9, doc: 'what logits are divided by' }),
  },
  make: ({ beta, temperature }) => ({
    taught: true,
    loss: scene => {
      const [logQ, logP] = sameClasses('gkd', scene).map(each => logSoftmax(tf.div(asRows(each), temperature)))
      return meanOfRows(mixedDivergence(logP, logQ, beta), scene.batch)
    },
  }),
})

export interface OnPolicyOptions {
  /** The batches of the data, whose inputs prompts are taken from. */
  readonly data: TrainOptions['data']
  /** Goes on from a batch with the student's weights; its batch is freed as that of `data` is, and so is the given one. */
  readonly sample: (batch: Batch, weights: Weights, rng: Rng) => Batch | Promise<Batch>
  /** λ: the share of steps that learn from the student's own texts. */
  readonly share: number
}

/** Data of which a share is what the student itself makes of the prompts, with its weights of that step. Throws BAD_OPTION. */
export const onPolicy = ({ data, sample, share }: OnPolicyOptions): TrainOptions['data'] => {
  if (!(share >= 0 && share <= 1))
    throw new CompressionError('BAD_OPTION', `onPolicy got share = ${share}.`, 'Pass the share of steps that learn from the student’s own texts, 0 to 1.') // prettier-ignore
  return async (step, rng, withWeights) => {
    const batch = await data(step, rng.fork('data'), withWeights)
    if (rng.fork('whose').uniform() >= share) return batch
    try {
      return await withWeights(weights => sample(batch, weights, rng.fork('sample')))
    } finally {
      tf.dispose({ ...batch })
    }
  }
}
