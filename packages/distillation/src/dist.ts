import * as tf from '@tensorflow/tfjs-core'
import { asRows, defineTerm, number, positive, sameClasses } from '@tersor/core'
import { normalized } from './places.js'

/** 1 − the correlation of rows, the mean over them. */
const apart = (a: tf.Tensor, b: tf.Tensor): tf.Scalar => {
  const [x, y] = [a, b].map(each => normalized(tf.sub(each, tf.mean(each, -1, true))))
  return tf.sub(1, tf.mean(tf.sum(tf.mul(x, y), -1)))
}

/**
 * DIST: answers correlate with the teacher's, class by class within a sample and sample by sample within a class, which asks less than to be equal.
 * T² (β mean (1 − ρ(p_s, p_t) of rows) + γ mean (1 − ρ of columns)), p = softmax(logits / T), (rows, classes).
 * Throws BAD_OPTION, SHAPE. Huang et al. 2022, https://arxiv.org/abs/2205.10536
 */
export const dist = defineTerm({
  name: 'dist',
  summary: 'lets answers correlate with the teacher’s instead of being equal',
  paper: {
    title: 'Knowledge Distillation from A Stronger Teacher',
    authors: 'Huang et al.',
    year: 2022,
    url: 'https://arxiv.org/abs/2205.10536',
  },
  options: {
    beta: number({ min: 0, max: 1000, default: 2, doc: 'weight of the classes of a sample' }),
    gamma: number({ min: 0, max: 1000, default: 2, doc: 'weight of the samples of a class' }),
    temperature: positive({ default: 4, doc: 'T: what logits are divided by' }),
  },
  make: ({ beta, gamma, temperature }) => ({
    taught: true,
    loss: scene => {
      const [s, t] = sameClasses('dist', scene).map(each => tf.softmax(tf.div(asRows(each), temperature)))
      const relations = tf.add(tf.mul(apart(s, t), beta), tf.mul(apart(tf.transpose(s), tf.transpose(t)), gamma))
      return tf.mul(relations, temperature ** 2) as tf.Scalar
    },
  }),
})
