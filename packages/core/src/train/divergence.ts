import * as tf from '@tensorflow/tfjs-core'
import { logSoftmax } from '@tersor/kernels/log-softmax'
import type { Scene, Term } from './objective.js'
import { sameClasses } from './scene.js'

/** (…, classes) → (rows, classes). */
export const asRows = (logits: tf.Tensor): tf.Tensor2D => tf.reshape(logits, [-1, logits.shape.at(-1)!])

/** The mean of one number a row; over the tokens that are no padding, where the batch says which are. */
export const meanOfRows = (values: tf.Tensor, { attended }: Scene['batch']): tf.Scalar => {
  if (!attended || attended.size !== values.size) return tf.mean(values)
  const weights = tf.cast(tf.reshape(attended, [-1]), 'float32')
  return tf.div(tf.sum(tf.mul(tf.reshape(values, [-1]), weights)), tf.maximum(1, tf.sum(weights)))
}

/** Σ p (log p − log q) of each row, from log-probabilities (rows, classes). */
export const divergenceOfRows = (logP: tf.Tensor, logQ: tf.Tensor): tf.Tensor => tf.sum(tf.mul(tf.exp(logP), tf.sub(logP, logQ)), -1)

/** T² KL(softmax(teacher / T) ‖ softmax(student / T)), the mean over rows. Hinton et al. 2015, https://arxiv.org/abs/1503.02531. Throws SHAPE. */
export const teacherDivergence = (term: string, scene: Scene, temperature: number): tf.Scalar => {
  const [student, teacher] = sameClasses(term, scene).map(asRows)
  const logP = logSoftmax(tf.div(teacher, temperature)) // (rows, classes)
  const logQ = logSoftmax(tf.div(student, temperature))
  return tf.mul(meanOfRows(divergenceOfRows(logP, logQ), scene.batch), temperature ** 2)
}

/** To answer as the teacher does: what passes that train make small where nothing else is said. */
export const imitation: Term = Object.freeze<Term>({
  name: 'imitation',
  taught: true,
  loss: scene => teacherDivergence('imitation', scene, 1),
})
