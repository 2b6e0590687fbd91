import * as tf from '@tensorflow/tfjs-core'
import { encoded, fromFloat32, fromIntegers, type Codec, type Encoded, type Parameter } from '@tersor/tensor'
import { turnPairs } from '../cache/turn-pairs.js'
import { firstOf, floatsAre, partsAre, shapeIs, type Finding } from './checks.js'

const positionsAre = (positions: Parameter): Finding =>
  positions.kind === 'dense' && positions.dtype === 'i32' ? undefined : 'the positions are no i32'

/** Each pair (i, i + size / 2) of lines turned by their position times its frequency; back where the sign is −1. x: (rows, entries, size). */
export const turnedToPositions = (x: tf.Tensor, positions: tf.Tensor, frequencies: tf.Tensor, sign: 1 | -1 = 1): tf.Tensor => {
  const entries = x.shape[1]!
  const at = tf.reshape(tf.cast(positions, 'float32'), [-1, entries, 1]) // (rows or 1, entries, 1)
  const angles = tf.mul(at, tf.reshape(tf.mul(frequencies, sign), [1, 1, -1]))
  return turnPairs(x, tf.cos(angles), tf.sin(angles))
}

/**
 * Keys kept as they were before they were turned by their position. Parts: values (rows, entries, size), positions i32 (entries) or
 * (rows · entries), frequencies f32 (size / 2).
 */
export const positioned: Codec = Object.freeze<Codec>({
  name: 'positioned',
  check: (parts, _attrs, shape) =>
    firstOf(
      () => partsAre(parts, ['values', 'positions', 'frequencies']),
      () => (shape.length === 3 ? undefined : `the whole has ${shape.length} axes, expected 3`),
      () => floatsAre('values', parts.values) ?? floatsAre('frequencies', parts.frequencies) ?? positionsAre(parts.positions),
      () => shapeIs('values', parts.values, shape) ?? shapeIs('positions', parts.positions, [shape[1]], [shape[0] * shape[1]]),
      () => shapeIs('frequencies', parts.frequencies, [shape[2] / 2]),
    ),
  decode: ({ values, positions, frequencies }: Readonly<Record<string, tf.Tensor>>) =>
    tf.tidy(() => turnedToPositions(values, positions, frequencies)),
})

/** Builds the tree. */
export const positionedOf = (values: Parameter, positions: Int32Array, frequencies: Float32Array): Encoded =>
  encoded(positioned, values.shape, {
    values,
    positions: fromIntegers(positions, 'i32', [positions.length]),
    frequencies: fromFloat32(frequencies, 'f32', [frequencies.length]),
  })
