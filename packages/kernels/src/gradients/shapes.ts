import * as tf from '@tensorflow/tfjs-core'

/** Sums a gradient over the axes along which its operand was broadcast; always a new tensor, because tfjs disposes what it gets. */
export function sumTo(gradient: tf.Tensor, shape: number[]): tf.Tensor {
  if (tf.util.arraysEqual(gradient.shape, shape)) return tf.reshape(gradient, shape)
  const lead = gradient.rank - shape.length
  const axes = gradient.shape.flatMap((length, axis) => (axis < lead || (shape[axis - lead] === 1 && length !== 1) ? [axis] : []))
  return tf.reshape(axes.length === 0 ? gradient : tf.sum(gradient, axes), shape)
}

/** The gradient of a reduction with its axes put back as axes of length 1. */
export function keepAxes(gradient: tf.Tensor, shape: number[], axis: number | number[] | undefined): tf.Tensor {
  const axes = tf.util.parseAxisParam(axis as number[], shape)
  return tf.reshape(
    gradient,
    shape.map((length, at) => (axes.includes(at) ? 1 : length)),
  )
}
