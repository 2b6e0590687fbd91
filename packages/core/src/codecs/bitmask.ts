import * as tf from '@tensorflow/tfjs-core'
import { codesOf, encoded, fromIntegers, sizeOf, type Codec, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { codesAre, firstOf, floatsAre, partsAre, shapeIs, type Finding } from './checks.js'

const keptAre = (mask: Dense, values: Parameter): Finding => {
  const kept = codesOf(mask).reduce((sum, bit) => sum + bit, 0)
  const size = sizeOf(values.shape)
  return kept === size ? undefined : `the mask keeps ${kept} values, and there are ${size}`
}

/**
 * A matrix of which only the kept entries are stored, row by row, as many in each row.
 * Parts: mask u1 (rows, columns), values (rows, kept). Made by `pack`.
 */
export const bitmask: Codec = Object.freeze<Codec>({
  name: 'bitmask',
  check: (parts, _attrs, shape) =>
    firstOf(
      () => partsAre(parts, ['mask', 'values']),
      () => codesAre('mask', parts.mask, [1]) ?? floatsAre('values', parts.values),
      () => shapeIs('mask', parts.mask, shape),
      () => keptAre(parts.mask as Dense, parts.values),
    ),
  decode: ({ mask, values }, _attrs, shape) =>
    tf.tidy(() => {
      // the i-th kept entry of the flattened mask is the i-th value: an exclusive running count is its index
      const kept = tf.reshape(tf.cast(mask, 'int32'), [-1])
      const index = tf.cumsum(kept, 0, true)
      const flat = tf.reshape(values, [-1])
      const gathered = tf.gather(flat, tf.cast(tf.minimum(index, Math.max(0, flat.size - 1)), 'int32') as tf.Tensor1D)
      return tf.reshape(tf.where(tf.cast(kept, 'bool'), gathered, tf.zerosLike(gathered)), [...shape])
    }),
})

/** Builds the tree; kept: 1 where an entry is stored, or what they are stored as (u1). */
export const bitmaskOf = (kept: ArrayLike<number> | Dense, shape: readonly number[], values: Parameter): Encoded =>
  encoded(bitmask, shape, { mask: 'kind' in kept ? kept : fromIntegers(kept, 'u1', shape), values })
