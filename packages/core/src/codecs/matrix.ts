import * as tf from '@tensorflow/tfjs-core'
import { dense, encoded, fromFloat32, sizeOf, toFloat32, type Codec, type Encoded, type Parameter, type Shape } from '@tersor/tensor'
import { positionsOver } from './groups.js'
import { firstOf, floatsAre, partsAre, shapeIs, wholeIs } from './checks.js'

/**
 * A tensor kept as the (out, in) matrix that methods see, for convolutions and transposed linears.
 * Part: values (out, in). Attr: outAxis, where the output channels stand in the tensor's own shape.
 */
export const matrix: Codec = Object.freeze<Codec>({
  name: 'matrix',
  payload: ['values'],
  aligned: true,
  check: (parts, { outAxis }, shape) =>
    firstOf(
      () => partsAre(parts, ['values']),
      () => floatsAre('values', parts.values) ?? wholeIs('outAxis', outAxis, 0, shape.length - 1),
      () => shapeIs('values', parts.values, [shape[outAxis as number], sizeOf(shape.filter((_, axis) => axis !== outAxis))]),
    ),
  cut: ({ parts: { values }, attrs, shape }, axis, kept, take) => {
    const outAxis = attrs.outAxis as number
    const cut = shape.map((extent, at) => (at === axis ? kept.length : extent))
    if (axis === outAxis) return encoded(matrix, cut, { values: take(values, 0, kept) }, attrs)
    const rest = shape.filter((_, at) => at !== outAxis)
    const columns = positionsOver(rest, axis < outAxis ? axis : axis - 1, kept)
    return encoded(matrix, cut, { values: take(values, 1, columns) }, attrs)
  },
  decode: ({ values }: Readonly<Record<string, tf.Tensor>>, attrs, shape) => fromMatrix(values, attrs.outAxis as number, shape),
})

/** (out, in) → the tensor's own shape. */
export const fromMatrix = (values: tf.Tensor, outAxis: number, shape: Shape): tf.Tensor => {
  const rest = shape.filter((_, axis) => axis !== outAxis)
  const outFirst = tf.reshape(values, [shape[outAxis], ...rest])
  if (outAxis === 0) return outFirst
  const order = shape.map((_, axis) => (axis === outAxis ? 0 : axis < outAxis ? axis + 1 : axis))
  return tf.transpose(outFirst, order)
}

/** The tensor's own shape → (out, in). */
export const toMatrix = (tensor: tf.Tensor, outAxis: number): tf.Tensor2D => {
  const order = [outAxis, ...tensor.shape.map((_, axis) => axis).filter(axis => axis !== outAxis)]
  const outFirst = outAxis === 0 ? tensor : tf.transpose(tensor, order)
  return tf.reshape(outFirst, [tensor.shape[outAxis], -1]) as tf.Tensor2D
}

/** Wraps a matrix so that it stands for the tensor; the matrix itself where nothing has to move. */
export const matrixOf = (values: Parameter, outAxis: number, shape: Shape): Parameter =>
  outAxis === 0 && shape.length === 2 ? values : (encoded(matrix, shape, { values }, { outAxis }) satisfies Encoded)

/** The (out, in) parameter that stands for the same numbers as a parameter of the tensor's own shape. */
export const asMatrix = (parameter: Parameter, outAxis: number): Parameter => {
  if (parameter.kind === 'encoded') return parameter.codec.name === matrix.name ? parameter.parts.values : parameter
  if (outAxis === 0 && parameter.shape.length === 2) return parameter
  const shape = [parameter.shape[outAxis], sizeOf(parameter.shape) / parameter.shape[outAxis]]
  if (outAxis === 0) return dense(parameter.dtype, shape, parameter.bytes)
  return fromFloat32(moveToFront(toFloat32(parameter), parameter.shape, outAxis), parameter.dtype, shape)
}

/** (before, out, after) → (out, before, after), in typed arrays. */
const moveToFront = (values: Float32Array, shape: Shape, axis: number): Float32Array => {
  const before = sizeOf(shape.slice(0, axis))
  const after = sizeOf(shape.slice(axis + 1))
  const moved = new Float32Array(values.length)
  for (let o = 0; o < shape[axis]; o++) {
    for (let b = 0; b < before; b++) {
      const from = (b * shape[axis] + o) * after
      moved.set(values.subarray(from, from + after), (o * before + b) * after)
    }
  }
  return moved
}
