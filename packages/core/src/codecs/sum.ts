import * as tf from '@tensorflow/tfjs-core'
import { encoded, type Codec, type Encoded, type Parameter } from '@tersor/tensor'

/** A tensor and its correction: value = base + update. Later steps compress the base. Parts: base, update (shape). */
export const sum: Codec = Object.freeze<Codec>({
  name: 'sum',
  payload: ['base'],
  aligned: true,
  decode: ({ base, update }: Readonly<Record<string, tf.Tensor>>) => tf.add(base, update),
})

/** Builds the tree from two parameters of one shape. */
export const sumOf = (base: Parameter, update: Parameter): Encoded => encoded(sum, base.shape, { base, update })
