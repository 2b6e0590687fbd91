import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'

/** log Σ exp of one row of logits, in double precision. */
export const logSumExp = (logits: ArrayLike<number>, from: number, size: number): number => {
  let largest = -Infinity
  for (let i = from; i < from + size; i++) if (logits[i] > largest) largest = logits[i]
  let sum = 0
  for (let i = from; i < from + size; i++) sum += Math.exp(logits[i] - largest)
  return largest + Math.log(sum)
}

/** Holds a sum over predictions; throws NOT_FINITE where a logit was NaN or infinite. */
export const checkFinite = (sum: number): void => {
  if (Number.isFinite(sum)) return
  throw new CompressionError(
    'NOT_FINITE',
    'The model predicts NaN or infinity.',
    'Look for NaN or infinite weights, or compress it more gently.',
  )
}

/** log p of the token that comes next at each position; logits: (rows, positions, vocabulary), targets and result: (rows · positions, 1). */
export const chosenLogProbabilities = (logits: tf.Tensor, targets: tf.Tensor): tf.Tensor => {
  const rows = tf.reshape(tf.logSoftmax(logits), [targets.shape[0], logits.shape[2]!])
  return tf.gather(rows, targets as tf.Tensor2D, 1, 1)
}
