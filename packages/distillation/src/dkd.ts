import * as tf from '@tensorflow/tfjs-core'
import { asRows, defineTerm, divergenceOfRows, meanOfRows, number, positive, sameClasses, targetRows } from '@tersor/core'
import { logSoftmax } from '@tersor/kernels/log-softmax'

/** What takes a class out of a softmax. */
const FAR = 1000

/**
 * Decoupled distillation: how sure the teacher is of the target, and what it thinks of the others, with weights of their own.
 * T² (α KL(b_t ‖ b_s) + β KL(p̂_t ‖ p̂_s)), b = (p_target, 1 − p_target), p̂ the softmax of all classes but the target; logits (…, classes).
 * Throws BAD_OPTION, SHAPE, BAD_DATA without targets. Zhao et al. 2022, https://arxiv.org/abs/2203.08679
 */
export const dkd = defineTerm({
  name: 'dkd',
  summary: 'learns the teacher’s view of the target and of the other classes with weights of their own',
  paper: { title: 'Decoupled Knowledge Distillation', authors: 'Zhao et al.', year: 2022, url: 'https://arxiv.org/abs/2203.08679' },
  options: {
    alpha: number({ min: 0, max: 1000, default: 1, doc: 'weight of the target' }),
    beta: number({ min: 0, max: 1000, default: 8, doc: 'weight of the other classes' }),
    temperature: positive({ default: 4, doc: 'T: what logits are divided by' }),
  },
  make: ({ alpha, beta, temperature }) => ({
    taught: true,
    loss: scene => {
      const logits = sameClasses('dkd', scene).map(each => tf.div(asRows(each), temperature)) // (rows, classes)
      const target = targetRows(scene.target, logits[0].shape[1]!)
      const [own, taught] = logits.map(each => {
        const sure = tf.sum(tf.mul(tf.softmax(each), target), -1, true) // (rows, 1)
        const both = tf.log(tf.maximum(tf.concat([sure, tf.sub(1, sure)], -1), 1e-12))
        return { both, others: logSoftmax(tf.sub(each, tf.mul(target, FAR))) }
      })
      const sure = tf.mul(divergenceOfRows(taught.both, own.both), alpha)
      const others = tf.mul(divergenceOfRows(taught.others, own.others), beta)
      return tf.mul(meanOfRows(tf.add(sure, others), scene.batch), temperature ** 2)
    },
  }),
})
