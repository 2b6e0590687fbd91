import * as tf from '@tensorflow/tfjs-core'

interface Lender {
  makeTensorInfo(shape: readonly number[], dtype: 'float32', values: Float32Array): tf.TensorInfo
}

/** A tensor over an array that does not change while the tensor lives; backends that can take it as it is do not copy it. */
export function lendArray(values: Float32Array, shape: readonly [number, number]): tf.Tensor2D
export function lendArray(values: Float32Array, shape: readonly number[]): tf.Tensor
export function lendArray(values: Float32Array, shape: readonly number[]): tf.Tensor {
  const backend = tf.backend() as Partial<Lender>
  if (typeof backend.makeTensorInfo !== 'function') return tf.tensor(values, [...shape], 'float32')
  return tf.engine().makeTensorFromTensorInfo(backend.makeTensorInfo([...shape], 'float32', values))
}
