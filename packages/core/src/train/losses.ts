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

/** 1 for the answer of each row and 0 elsewhere, none where it is negative; target: int32 (…), result: float32 (rows, classes). */
export const targetRows = (target: tf.Tensor, classes: number): tf.Tensor2D =>
  tf.cast(tf.oneHot(tf.reshape(target, [-1]) as tf.Tensor1D, classes), 'float32') as tf.Tensor2D

/**
 * Mean of −log softmax(output)[target]: output (…, classes), target int32 (…), negative where nothing is to be told; or shares of the classes,
 * float32 (…, classes), which cost −Σ share · log softmax(output). Nats.
 */
export const crossEntropy: Loss = (output, { target }) => {
  const classes = output.shape[output.rank - 1] as number
  const logProbabilities = logSoftmax(tf.reshape(output, [-1, classes])) // (rows, classes)
  if (target.dtype === 'float32')
    return tf.neg(tf.mean(tf.sum(tf.mul(logProbabilities, tf.reshape(target, [-1, classes])), 1))) as tf.Scalar
  const chosen = targetRows(target, classes)
  const told = tf.sum(tf.cast(tf.greaterEqual(target, tf.scalar(0, 'int32')), 'float32'))
  return tf.neg(tf.div(tf.sum(tf.sum(tf.mul(logProbabilities, chosen), 1)), tf.maximum(told, 1))) as tf.Scalar
}
