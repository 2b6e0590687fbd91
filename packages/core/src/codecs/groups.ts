import * as tf from '@tensorflow/tfjs-core'

/** A tensor as the matrix of its last axis. */
export const matrixShape = (shape: readonly number[]): readonly [number, number] => {
  const columns = shape.length === 0 ? 1 : shape[shape.length - 1]
  const size = shape.reduce((product, extent) => product * extent, 1)
  return [columns === 0 ? 0 : size / columns, columns]
}

/** Computes with codes seen as (rows, groups, group), the last group of each row filled up; call it inside a tidy. */
export const inGroups = (
  codes: tf.Tensor,
  shape: readonly number[],
  group: number,
  compute: (codes: tf.Tensor) => tf.Tensor,
): tf.Tensor => {
  const [rows, columns] = matrixShape(shape)
  const width = Math.min(group, Math.max(1, columns)) // a run may be longer than a row, and need not be filled up then
  const groups = Math.ceil(columns / width)
  const missing = groups * width - columns
  const whole = tf.cast(tf.reshape(codes, [rows, columns]), 'float32')
  const padded = missing === 0 ? whole : tf.pad(whole, [[0, 0], [0, missing]]) // prettier-ignore
  const values = compute(tf.reshape(padded, [rows, groups, width]))
  if (missing === 0) return tf.reshape(values, [...shape]) // neither copy of the whole weight is made
  return tf.reshape(tf.slice(tf.reshape(values, [rows, groups * width]), [0, 0], [rows, columns]), [...shape])
}

/** (rows or 1, groups) → (rows or 1, groups, 1), as each group's codes are met by it. */
export const forGroups = (perGroup: tf.Tensor): tf.Tensor => tf.reshape(tf.cast(perGroup, 'float32'), [-1, perGroup.shape[1]!, 1])

/** Where numbers stand among all of a tensor, row by row, of which some positions of an axis stay. */
export const positionsOver = (shape: readonly number[], axis: number, kept: ArrayLike<number>): Int32Array => {
  const inner = shape.slice(axis + 1).reduce((product, extent) => product * extent, 1)
  const outer = shape.slice(0, axis).reduce((product, extent) => product * extent, 1)
  const positions = new Int32Array(outer * kept.length * inner)
  for (let row = 0, at = 0; row < outer; row++)
    for (let i = 0; i < kept.length; i++) for (let j = 0; j < inner; j++) positions[at++] = (row * shape[axis] + kept[i]) * inner + j
  return positions
}
