import * as tf from '@tensorflow/tfjs-core'

/** Backends whose tensors are arrays of the host. */
const ON_THE_HOST: ReadonlySet<string> = new Set(['ort', 'cpu'])

interface HostBackend {
  makeTensorInfo(shape: readonly number[], dtype: tf.DataType, values: Float32Array): tf.TensorInfo
}

/** A tensor over values that nobody writes any more, without a copy where the backend keeps arrays of the host; the caller owns it. */
export const tensorOver = (values: Float32Array, shape: readonly number[]): tf.Tensor =>
  ON_THE_HOST.has(tf.getBackend())
    ? tf.engine().makeTensorFromTensorInfo((tf.backend() as object as HostBackend).makeTensorInfo([...shape], 'float32', values))
    : tf.tensor(values, [...shape], 'float32')
