import * as tf from '@tensorflow/tfjs-core'
import type { Env, Site } from '@tersor/core'

/** The name of a linear layer's bias. */
export const biasOf = (site: Site): string => `${site.name}.bias`

/** x · Wᵀ (+ bias) at a site, after showing x to the tap; x: (rows, in), result (rows, out). */
export const linear = (x: tf.Tensor, site: Site, env: Env, bias = false): tf.Tensor => {
  env.tap?.(site, x)
  const product = env.products?.(x, site.weight) ?? tf.matMul(x, env.weights(site.weight), false, true)
  return bias ? tf.add(product, env.weights(biasOf(site))) : product
}

/** Divides each row by its root mean square: x / √(mean(x²) + ε) · weight; x: (…, size). */
export const rmsNorm = (x: tf.Tensor, weight: tf.Tensor, epsilon: number): tf.Tensor =>
  tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon))), weight)

/** x · σ(x). */
export const silu = (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.sigmoid(x))

/** Rows of a table by id. Its gradient adds rows up by scattering: tfjs's own compares every id with every row. */
export const embed = (table: tf.Tensor, ids: tf.Tensor): tf.Tensor => {
  const lookup = tf.customGrad(weight => ({
    value: tf.gather(weight as tf.Tensor, ids),
    gradFunc: (dy: tf.Tensor) =>
      tf.scatterND(tf.reshape(tf.cast(ids, 'int32'), [-1, 1]), tf.reshape(dy, [-1, table.shape[1]!]), table.shape as [number, number]),
  }))
  return lookup(table) // (…, hidden)
}
