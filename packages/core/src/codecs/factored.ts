import * as tf from '@tensorflow/tfjs-core'
import { encoded, type Codec, type Encoded, type Parameter } from '@tersor/tensor'
import { firstOf, floatsAre, partsAre, shapeIs } from './checks.js'

/** A product of two thin matrices, or of each two of as many: value = u · v. Parts: u (…, out, rank), v (…, rank, in). */
export const factored: Codec = Object.freeze<Codec>({
  name: 'factored',
  payload: ['u', 'v'],
  aligned: false,
  check: (parts, _attrs, shape) =>
    firstOf(
      () => partsAre(parts, ['u', 'v']),
      () => floatsAre('u', parts.u) ?? floatsAre('v', parts.v),
      () => (shape.length === 2 || shape.length === 3 ? undefined : `the whole has ${shape.length} axes, expected 2 or 3`),
      () => shapeIs('u', parts.u, [...shape.slice(0, -1), parts.u.shape.at(-1) ?? 0]),
      () => shapeIs('v', parts.v, [...shape.slice(0, -2), parts.u.shape.at(-1) ?? 0, shape[shape.length - 1]]),
    ),
  cut: ({ parts: { u, v }, shape }, axis, kept, take) => {
    const last = shape.length - 1
    return factoredOf(axis === last ? u : take(u, axis, kept), axis === last - 1 ? v : take(v, axis, kept))
  },
  decode: ({ u, v }: Readonly<Record<string, tf.Tensor>>) => tf.matMul(u as tf.Tensor2D, v as tf.Tensor2D),
})

/** Builds the tree from u (…, out, rank) and v (…, rank, in). */
export const factoredOf = (u: Parameter, v: Parameter): Encoded =>
  encoded(factored, [...u.shape.slice(0, -1), v.shape[v.shape.length - 1]], { u, v })
