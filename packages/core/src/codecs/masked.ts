import * as tf from '@tensorflow/tfjs-core'
import { encoded, fromIntegers, type Codec, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { codesAre, firstOf, floatsAre, partsAre, shapeIs } from './checks.js'

/**
 * A tensor with removed entries: value = mask · values.
 * Parts: mask u1 (shape), values (shape). Whatever a later step does to the values, removed entries stay zero.
 */
export const masked: Codec = Object.freeze<Codec>({
  name: 'masked',
  payload: ['values'],
  aligned: true,
  check: (parts, _attrs, shape) =>
    firstOf(
      () => partsAre(parts, ['mask', 'values']),
      () => codesAre('mask', parts.mask, [1]) ?? floatsAre('values', parts.values),
      () => shapeIs('mask', parts.mask, shape) ?? shapeIs('values', parts.values, shape),
    ),
  cut: ({ parts }, axis, kept, take) => maskedOf(take(parts.mask, axis, kept) as Dense, take(parts.values, axis, kept)),
  // where, not a product: a removed NaN stays removed
  decode: ({ mask, values }: Readonly<Record<string, tf.Tensor>>) => tf.where(tf.cast(mask, 'bool'), values, tf.zerosLike(values)),
})

/** Builds the tree; kept: 1 where the entry stays, as many entries as the values, or what they are stored as (u1). */
export const maskedOf = (kept: ArrayLike<number> | Dense, values: Parameter): Encoded =>
  encoded(masked, values.shape, { mask: 'kind' in kept ? kept : fromIntegers(kept, 'u1', values.shape), values })
