import * as tf from '@tensorflow/tfjs-core'
import type { AfterProduct, Product, Site } from '@tersor/core'

/** Sees how much of the relevance each input of a site carries, in the shape of the input; inside of the walk's tidy. */
export type ShowRelevance = (site: Site, relevance: tf.Tensor) => unknown

/** Where nothing adds to an output but this, its relevance goes nowhere. */
const EPSILON = 1e-9

/** W · scale, along the axis of the outputs. */
const scaled = (weight: tf.Tensor, { outAxis }: Site, { scale }: AfterProduct): tf.Tensor =>
  scale ? tf.mul(weight, tf.reshape(scale, weight.shape.map((_, axis) => (axis === outAxis ? -1 : 1)))) : weight // prettier-ignore

/** Output · gradient, where the output is y · scale + shift and dy = scale · gradient. */
const relevanceOf = (y: tf.Tensor, dy: tf.Tensor, { scale, shift }: AfterProduct): tf.Tensor => {
  const line = scale ? tf.mul(y, scale) : y
  return tf.mul(shift ? tf.add(line, shift) : line, scale ? tf.divNoNan(dy, scale) : dy)
}

/** The same tensor, whose gradient times itself is shown on its way back. */
const shown = (x: tf.Tensor, site: Site, show: ShowRelevance): tf.Tensor =>
  tf.customGrad(given => {
    const gradFunc = (dy: tf.Tensor): tf.Tensor => {
      show(site, tf.mul(x, dy))
      return dy
    }
    return { value: tf.clone(given as tf.Tensor), gradFunc }
  })(x)

/**
 * The product of a site whose gradient is relevance by input: R_j = Σ_k (w_kj x_j)⁺ R_k / Σ_i (w_ki x_i)⁺, where R is value · gradient on both
 * sides, and the norm or bias behind the product is taken for a part of it.
 */
export const relevanceProduct =
  (show: ShowRelevance): Product =>
  ({ site, input, weight, times, after }) => {
    const x = shown(input, site, show)
    const w = scaled(weight(), site, after())
    const all = tf.add(times(tf.relu(x), tf.relu(w)), times(tf.minimum(x, 0), tf.minimum(w, 0))) // Σ_i (w_ki x_i)⁺
    return tf.customGrad((...given) => {
      const [z, save] = given as unknown as [tf.Tensor, (tensors: tf.Tensor[]) => void]
      const y = times(input, weight())
      save([z, y])
      const gradFunc = (dy: tf.Tensor, [z, y]: tf.Tensor[]): tf.Tensor => {
        const shares = tf.div(relevanceOf(y, dy, after()), tf.maximum(z, EPSILON))
        return tf.mul(shares, tf.cast(tf.greater(z, EPSILON), 'float32'))
      }
      return { value: y, gradFunc }
    })(all)
  }
