import * as tf from '@tensorflow/tfjs-core'
import { logSoftmax } from '@tersor/kernels/log-softmax'

/** What one training step sees; made by the data function, freed by the trainer. */
export interface Batch {
  readonly input: tf.Tensor
  readonly target?: tf.Tensor
  /** 1 for a token and 0 for padding, (batch, tokens). */
  readonly attended?: tf.Tensor
  /** Which of the data each row is, int32 (batch). */
  readonly sample?: tf.Tensor
}

/** A batch whose answers are known. */
export interface LabelledBatch extends Batch {
  readonly target: tf.Tensor
}

/** A scalar from the network's output. */
export type Loss = (output: tf.Tensor, batch: LabelledBatch) => tf.Scalar

/** Mean of −log softmax(output)[target]: output (…, classes), target int32 (…). Nats. */
export const crossEntropy: Loss = (output, { target }) => {
  const classes = output.shape[output.rank - 1] as number
  const logProbabilities = logSoftmax(tf.reshape(output, [-1, classes])) // (rows, classes)
  const chosen = tf.cast(tf.oneHot(tf.reshape(target, [-1]) as tf.Tensor1D, classes), 'float32') // (rows, classes)
  return tf.neg(tf.mean(tf.sum(tf.mul(logProbabilities, chosen), 1))) as tf.Scalar
}
