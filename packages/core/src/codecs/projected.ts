import * as tf from '@tensorflow/tfjs-core'
import { encoded, type Codec, type Encoded, type Parameter } from '@tersor/tensor'
import { firstOf, floatsAre, partsAre, shapeIs, wholeIs } from './checks.js'

/** What all heads of an entry have in common: (batch, entries, features) · (features, heads · size) → (batch · heads, entries, size). */
const spread = (features: tf.Tensor, basis: tf.Tensor, heads: number): tf.Tensor => {
  const [batch, entries, count] = features.shape as [number, number, number]
  const all = tf.matMul(tf.reshape(features, [batch * entries, count]) as tf.Tensor2D, basis as tf.Tensor2D)
  const size = basis.shape[1]! / heads
  return tf.reshape(tf.transpose(tf.reshape(all, [batch, entries, heads, size]), [0, 2, 1, 3]), [batch * heads, entries, size])
}

/**
 * Keys or values of all heads as features of their entries: heads side by side are features · basis.
 * Parts: features (batch, entries, count), basis (count, heads · size). Attr: heads. The whole is (batch · heads, entries, size).
 */
export const projected: Codec = Object.freeze<Codec>({
  name: 'projected',
  payload: ['features'],
  check: (parts, { heads }, shape) =>
    firstOf(
      () => partsAre(parts, ['features', 'basis']),
      () => (shape.length === 3 ? undefined : `the whole has ${shape.length} axes, expected 3`),
      () => wholeIs('heads', heads, 1, shape[0]) ?? floatsAre('features', parts.features) ?? floatsAre('basis', parts.basis),
      () => shapeIs('features', parts.features, [shape[0] / (heads as number), shape[1], parts.features.shape[2] ?? 0]),
      () => shapeIs('basis', parts.basis, [parts.features.shape[2], (heads as number) * shape[2]]),
    ),
  decode: ({ features, basis }: Readonly<Record<string, tf.Tensor>>, { heads }) => tf.tidy(() => spread(features, basis, heads as number)),
})

/** Builds the tree of features (batch, entries, count) and a basis (count, heads · size). */
export const projectedOf = (features: Parameter, basis: Parameter, heads: number): Encoded => {
  const [batch, entries] = features.shape
  return encoded(projected, [batch * heads, entries, basis.shape[1] / heads], { features, basis }, { heads })
}
