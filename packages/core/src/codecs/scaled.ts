import * as tf from '@tensorflow/tfjs-core'
import { encoded, fromFloat32, type Codec, type Dense, type Encoded } from '@tersor/tensor'

/**
 * Small floats times a factor: value = scale · values, one scale for all or one a row.
 * Parts: values f8e4m3 or f8e5m2 (shape), scale f32 (1) or (rows, 1).
 */
export const scaled: Codec = Object.freeze<Codec>({
  name: 'scaled',
  decode: ({ values, scale }: Readonly<Record<string, tf.Tensor>>) => tf.mul(values, scale),
})

/** Builds the tree; scales: one, or as many as there are rows. */
export const scaledOf = (values: Dense, scales: ArrayLike<number>): Encoded =>
  encoded(scaled, values.shape, { values, scale: fromFloat32(scales, 'f32', scales.length === 1 ? [1] : [scales.length, 1]) })
