import * as tf from '@tensorflow/tfjs-core'
import { encoded, type Codec, type Encoded, type Parameter } from '@tersor/tensor'

/** A product of two thin matrices: value = u · v. Parts: u (out, rank), v (rank, in). */
export const factored: Codec = Object.freeze<Codec>({
  name: 'factored',
  payload: ['u', 'v'],
  aligned: false,
  decode: ({ u, v }: Readonly<Record<string, tf.Tensor>>) => tf.matMul(u as tf.Tensor2D, v as tf.Tensor2D),
})

/** Builds the tree from u (out, rank) and v (rank, in). */
export const factoredOf = (u: Parameter, v: Parameter): Encoded => encoded(factored, [u.shape[0], v.shape[1]], { u, v })
