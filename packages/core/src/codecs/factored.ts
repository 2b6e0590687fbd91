import * as tf from '@tensorflow/tfjs-core'
import { encoded, type Codec, type Encoded, type Parameter } from '@tersor/tensor'
import { firstOf, floatsAre, partsAre, shapeIs } from './checks.js'

/** A product of two thin matrices: value = u · v. Parts: u (out, rank), v (rank, in). */
export const factored: Codec = Object.freeze<Codec>({
  name: 'factored',
  payload: ['u', 'v'],
  aligned: false,
  check: (parts, _attrs, shape) =>
    firstOf(
      () => partsAre(parts, ['u', 'v']),
      () => floatsAre('u', parts.u) ?? floatsAre('v', parts.v),
      () => shapeIs('u', parts.u, [shape[0], parts.u.shape[1] ?? 0]) ?? shapeIs('v', parts.v, [parts.u.shape[1], shape[1]]),
      () => (shape.length === 2 ? undefined : `the whole has ${shape.length} axes, expected 2`),
    ),
  decode: ({ u, v }: Readonly<Record<string, tf.Tensor>>) => tf.matMul(u as tf.Tensor2D, v as tf.Tensor2D),
})

/** Builds the tree from u (out, rank) and v (rank, in). */
export const factoredOf = (u: Parameter, v: Parameter): Encoded => encoded(factored, [u.shape[0], v.shape[1]], { u, v })
