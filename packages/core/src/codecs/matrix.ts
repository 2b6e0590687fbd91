import * as tf from '@tensorflow/tfjs-core'
import { encoded, type Codec, type Encoded, type Parameter, type Shape } from '@tersor/tensor'

/**
 * A tensor kept as the (out, in) matrix that methods see, for convolutions and transposed linears.
 * Part: values (out, in). Attr: outAxis, where the output channels stand in the tensor's own shape.
 */
export const matrix: Codec = Object.freeze<Codec>({
  name: 'matrix',
  payload: ['values'],
  aligned: true,
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
