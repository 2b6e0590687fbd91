import * as tf from '@tensorflow/tfjs-core'
import { addTensors } from '@tersor/kernels/add-tensors'
import { defineTerm, number } from '@tersor/core'
import { askingFor, embedded, normalized, pairAt, PLACES, rootOf } from './places.js'

/** ½ d² up to 1, and |d| − ½ beyond, the mean. */
const huber = (difference: tf.Tensor): tf.Scalar => {
  const size = tf.abs(difference)
  const near = tf.minimum(size, 1)
  return tf.mean(tf.add(tf.mul(tf.square(near), 0.5), tf.sub(size, near)))
}

/** Distances between samples, divided by their mean: (batch, numbers) → (batch, batch). */
export const distancesOf = (x: tf.Tensor2D): tf.Tensor2D => {
  const batch = x.shape[0]
  const apart = tf.sub(tf.expandDims(x, 1), tf.expandDims(x, 0)) // (batch, batch, numbers)
  const others = tf.sub(1, tf.eye(batch))
  const distances = tf.mul(rootOf(tf.sum(tf.square(apart), -1)), others)
  return tf.div(distances, tf.maximum(tf.div(tf.sum(distances), Math.max(1, batch * (batch - 1))), 1e-12))
}

/** Cosines of the angles at each sample between any two others: (batch, numbers) → (batch, batch, batch). */
const anglesOf = (x: tf.Tensor2D): tf.Tensor => {
  const directions = normalized(tf.sub(tf.expandDims(x, 1), tf.expandDims(x, 0))) as tf.Tensor3D // (batch, batch, numbers)
  return tf.matMul(directions, directions, false, true)
}

/**
 * Relational distillation: samples lie to each other as they do for the teacher.
 * λ_d huber(d_s − d_t) + λ_a huber(∠_s − ∠_t), d_ij = ‖x_i − x_j‖ over its mean, ∠_ijk = cos of the angle at x_i; x: (batch, …), of any widths.
 * Throws BAD_OPTION, NOT_FOUND. Park et al. 2019, https://arxiv.org/abs/1904.05068
 */
export const rkd = defineTerm({
  name: 'rkd',
  summary: 'keeps distances and angles between samples as the teacher has them',
  paper: { title: 'Relational Knowledge Distillation', authors: 'Park et al.', year: 2019, url: 'https://arxiv.org/abs/1904.05068' },
  options: {
    ...PLACES,
    distance: number({ min: 0, max: 1000, default: 1, doc: 'weight of the distances' }),
    angle: number({ min: 0, max: 1000, default: 2, doc: 'weight of the angles' }),
  },
  make: ({ distance, angle, ...places }) => ({
    ...askingFor(places),
    loss: scene => {
      const [s, t] = pairAt(scene, places).map(embedded)
      const distances = distance > 0 ? [tf.mul(huber(tf.sub(distancesOf(s), distancesOf(t))), distance)] : []
      const angles = angle > 0 ? [tf.mul(huber(tf.sub(anglesOf(s), anglesOf(t))), angle)] : []
      return addTensors([...distances, ...angles, tf.scalar(0)]) as tf.Scalar
    },
  }),
})
