import * as tf from '@tensorflow/tfjs-core'
import { addTensors } from '@tersor/kernels/add-tensors'

/** ‖one of them‖₂²; a scalar is its own sum, and summing one would leave the recorded graph. */
const squareOf = (tensor: tf.Tensor): tf.Tensor => (tensor.rank === 0 ? tf.square(tensor) : tf.sum(tf.square(tensor)))

/** ‖all of them‖₂. */
export const jointNorm = (tensors: readonly tf.Tensor[]): tf.Scalar =>
  tf.tidy(() => tf.sqrt(addTensors(tensors.map(squareOf))) as tf.Scalar)
