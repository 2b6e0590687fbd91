import * as tf from '@tensorflow/tfjs-core'
import type { Tensor } from '@tensorflow/tfjs-core'

const differentiable = tf.customGrad((x, save) => {
  const logits = x as Tensor
  ;(save as (tensors: Tensor[]) => void)([logits])
  return {
    value: tf.logSoftmax(logits),
    gradFunc: (dy: Tensor, [saved]: Tensor[]) => tf.sub(dy, tf.mul(tf.sum(dy, -1, true), tf.softmax(saved))),
  }
})

/** log softmax(x) over the last axis, with a gradient that can be differentiated again, which tfjs's own cannot; x: (…, size). */
export const logSoftmax = (x: Tensor): Tensor => differentiable(x)
