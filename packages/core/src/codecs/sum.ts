import * as tf from '@tensorflow/tfjs-core'
import { encoded, type Codec, type Encoded, type Parameter } from '@tersor/tensor'
import { firstOf, floatsAre, partsAre, shapeIs } from './checks.js'

/** A tensor and its correction: value = base + update. Later steps compress the base. Parts: base, update (shape). */
export const sum: Codec = Object.freeze<Codec>({
  name: 'sum',
  payload: ['base'],
  aligned: true,
  check: (parts, _attrs, shape) =>
    firstOf(
      () => partsAre(parts, ['base', 'update']),
      () => floatsAre('base', parts.base) ?? floatsAre('update', parts.update),
      () => shapeIs('base', parts.base, shape) ?? shapeIs('update', parts.update, shape),
    ),
  cut: ({ parts }, axis, kept, take) => sumOf(take(parts.base, axis, kept), take(parts.update, axis, kept)),
  decode: ({ base, update }: Readonly<Record<string, tf.Tensor>>) => tf.add(base, update),
})

/** Builds the tree from two parameters of one shape. */
export const sumOf = (base: Parameter, update: Parameter): Encoded => encoded(sum, base.shape, { base, update })
