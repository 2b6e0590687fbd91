import * as tf from '@tensorflow/tfjs-core'
import { asRows, defineTerm, meanOfRows, positive, sameClasses, targetRows } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'

/** The comparisons of all classes with all are held for each row. */
const MOST_CLASSES = 1024
/** A logit that adds nothing to a sum of exponentials. */
const NOTHING = -1e9

/**
 * Whether a class comes at or behind another one in the order: target first, then by falling logits of the teacher, ties by number.
 * (rows, classes), one-hot target → (rows, from, class).
 */
const followers = (teacher: tf.Tensor2D, target: tf.Tensor2D): tf.Tensor => {
  const classes = teacher.shape[1]
  const [from, other] = [tf.expandDims(teacher, 2), tf.expandDims(teacher, 1)]
  const later = tf.lessEqual(tf.expandDims(tf.range(0, classes), 1), tf.expandDims(tf.range(0, classes), 0)) // (from, class)
  const behind = tf.logicalOr(tf.less(other, from), tf.logicalAnd(tf.equal(other, from), later))
  const notTarget = tf.logicalNot(tf.cast(tf.expandDims(target, 1), 'bool'))
  return tf.logicalOr(tf.cast(tf.expandDims(target, 2), 'bool'), tf.logicalAnd(behind, notTarget))
}

/**
 * PLD: the student ranks classes as the teacher does, with the target first, each place weighted by the teacher's confidence; one loss in the
 * place of cross-entropy and soft labels. Σ_k α_k (log Σ_{l ≥ k} exp s_l − s_k) in that order, α = softmax(t / τ); logits (…, classes).
 * Throws BAD_OPTION, SHAPE, BAD_DATA without targets, UNSUPPORTED for more than 1,024 classes. Bassam et al. 2025, https://arxiv.org/abs/2506.12542
 */
export const pld = defineTerm({
  name: 'pld',
  summary: 'ranks classes as the teacher does, with the target first',
  paper: {
    title: 'PLD: A Choice-Theoretic List-Wise Knowledge Distillation',
    authors: 'Bassam et al.',
    year: 2025,
    url: 'https://arxiv.org/abs/2506.12542',
  },
  differs: 'comparisons of all classes with all take the place of a sort; ties go by the number of the class',
  options: {
    temperature: positive({ default: 1, doc: 'τ: what the teacher’s logits are divided by for the weights; the student’s stay' }),
  },
  make: ({ temperature }) => ({
    taught: true,
    loss: scene => {
      const [s, t] = sameClasses('pld', scene).map(asRows)
      const classes = s.shape[1]
      if (classes > MOST_CLASSES)
        throw new CompressionError('UNSUPPORTED', `pld ranks up to ${MOST_CLASSES} classes, got ${classes}.`, 'Take soft-labels for vocabularies.') // prettier-ignore
      const target = targetRows(scene.target, classes)
      const behind = followers(t, target)
      const open = tf.where(behind, tf.mul(tf.expandDims(s, 1), tf.onesLike(tf.cast(behind, 'float32'))), tf.fill(behind.shape, NOTHING))
      const places = tf.sub(tf.logSumExp(open, -1), s) // (rows, classes)
      return meanOfRows(tf.sum(tf.mul(tf.softmax(tf.div(t, temperature)), places), -1), scene.batch)
    },
  }),
})
