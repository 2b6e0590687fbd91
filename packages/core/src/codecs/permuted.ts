import * as tf from '@tensorflow/tfjs-core'
import { CompressionError, encoded, fromIntegers, toInt32, type Codec, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { firstOf, floatsAre, partsAre, permutationIs, shapeIs } from './checks.js'

/**
 * A matrix whose columns are stored in another order: column order[i] of the matrix is column i of the values.
 * Parts: order i32 (columns), values (rows, columns).
 */
export const permuted: Codec = Object.freeze<Codec>({
  name: 'permuted',
  payload: ['values'],
  check: (parts, _attrs, shape) =>
    firstOf(
      () => partsAre(parts, ['order', 'values']),
      () => (shape.length === 2 ? undefined : `the whole has ${shape.length} axes, expected 2`),
      () => floatsAre('values', parts.values) ?? shapeIs('values', parts.values, shape) ?? shapeIs('order', parts.order, [shape[1]]),
      () => permutationIs('order', parts.order, shape[1]),
    ),
  cut: ({ parts: { order, values } }, axis, kept, take) => {
    const stored = toInt32(order as Dense)
    if (axis === 0) return permutedOf(stored, take(values, 0, kept))
    const places = new Map(Array.from(kept, (column, place) => [column, place]))
    const staying = Int32Array.from(stored.keys()).filter(at => places.has(stored[at])) // in the order they are stored in, so that runs stay whole
    const moved = Array.from(staying, at => places.get(stored[at])!)
    return permutedOf(moved, take(values, 1, staying))
  },
  decode: ({ order, values }: Readonly<Record<string, tf.Tensor>>) =>
    tf.tidy(() => {
      const columns = values.shape[1]!
      const places = tf.reshape(tf.cast(order, 'int32'), [columns, 1])
      const inverse = tf.scatterND(places, tf.range(0, columns, 1, 'int32'), [columns]) // where each column stands among the values
      return tf.gather(values, inverse as tf.Tensor1D, 1)
    }),
})

/** Builds the tree; order: where each stored column belongs. Throws SHAPE where it is no permutation of the columns. */
export const permutedOf = (order: ArrayLike<number>, values: Parameter): Encoded => {
  const columns = values.shape[1]
  const named = new Set(Array.from(order))
  const fits = values.shape.length === 2 && order.length === columns && named.size === columns
  if (!fits || ![...named].every(column => Number.isInteger(column) && column >= 0 && column < columns)) {
    throw new CompressionError('SHAPE', `The order of ${order.length} columns is no permutation of ${columns}.`, 'Name each column once.', {
      columns,
    })
  }
  return encoded(permuted, values.shape, { order: fromIntegers(order, 'i32', [columns]), values })
}
