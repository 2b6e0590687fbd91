import * as tf from '@tensorflow/tfjs-core'

/** Turns each pair (xᵢ, xᵢ₊ₕ), h = size / 2, by its angle; x: (…, size), cosines and sines broadcast to (…, h). */
export const turnPairs = (x: tf.Tensor, cos: tf.Tensor, sin: tf.Tensor): tf.Tensor => {
  const [a, b] = tf.split(x, 2, -1) // (…, h)
  return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(b, cos), tf.mul(a, sin))], -1)
}
