import * as tf from '@tensorflow/tfjs-core'
import type { Env, Site } from '@tersor/core'
import { siteProduct } from '@tersor/core/site-product'

/** A linear layer whose weight is (out, in). */
export const linearSite = (name: string): Site => Object.freeze({ name, weight: `${name}.weight`, kind: 'linear', outAxis: 0, inAxis: 1 })

/** The name of a linear layer's bias. */
export const biasOf = (site: Site): string => `${site.name}.bias`

/** x · Wᵀ (+ bias) at a site, or x · W where it stores (in, out), after showing x to the tap; x: (rows, in), result (rows, out). */
export const linear = (input: tf.Tensor, site: Site, env: Env, bias = false): tf.Tensor => {
  const shift = (): tf.Tensor => env.weights(biasOf(site))
  const times = (x: tf.Tensor, weight: tf.Tensor): tf.Tensor => tf.matMul(x, weight, false, site.outAxis === 0)
  const product = siteProduct(site, input, env, times, () => (bias ? { shift: shift() } : {}))
  return bias ? tf.add(product, shift()) : product
}

/** Divides each row by its root mean square: x / √(mean(x²) + ε) · weight; x: (…, size). */
export const rmsNorm = (x: tf.Tensor, weight: tf.Tensor, epsilon: number): tf.Tensor =>
  tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon))), weight)

/** (x − mean(x)) / √(variance(x) + ε) · weight + bias, row by row; the parameters are `name`.weight and `name`.bias; x: (…, size). */
export const layerNorm = (x: tf.Tensor, name: string, env: Env, epsilon: number): tf.Tensor => {
  const centred = tf.sub(x, tf.mean(x, -1, true))
  const normal = tf.mul(centred, tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon)))
  return tf.add(tf.mul(normal, env.weights(`${name}.weight`)), env.weights(`${name}.bias`))
}

/** x · σ(x). */
export const silu = (x: tf.Tensor): tf.Tensor => tf.mul(x, tf.sigmoid(x))

/** x · Φ(x), with the error function. */
export const gelu = (x: tf.Tensor): tf.Tensor => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1))

/** x · Φ(x), with Φ approximated by a hyperbolic tangent. */
export const geluTanh = (x: tf.Tensor): tf.Tensor => {
  const inner = tf.mul(tf.mul(x, Math.sqrt(2 / Math.PI)), tf.add(tf.mul(tf.square(x), 0.044715), 1))
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1))
}

/** Activations by the names that configs give them. */
export const ACTIVATIONS: Readonly<Record<string, (x: tf.Tensor) => tf.Tensor>> = Object.freeze({
  silu,
  gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu: tf.relu,
})

/** Rows of a table by id. Its gradient adds rows up by scattering: tfjs's own compares every id with every row. */
export const embed = (table: tf.Tensor, ids: tf.Tensor): tf.Tensor => {
  const lookup = tf.customGrad((weight, save) => {
    ;(save as (tensors: tf.Tensor[]) => void)([ids])
    const gradFunc = (dy: tf.Tensor, [saved]: tf.Tensor[]) =>
      tf.scatterND(tf.reshape(tf.cast(saved, 'int32'), [-1, 1]), tf.reshape(dy, [-1, table.shape[1]!]), table.shape as [number, number])
    return { value: tf.gather(weight as tf.Tensor, ids), gradFunc }
  })
  return lookup(table) // (…, hidden)
}
