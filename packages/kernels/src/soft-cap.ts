import * as tf from '@tensorflow/tfjs-core'

/** cap · tanh(x / cap): keeps values within ± cap; x itself where there is none. */
export const softCap = <T extends tf.Tensor>(x: T, cap: number | null = null): T =>
  cap === null ? x : tf.mul<T>(tf.tanh(tf.div(x, cap)), cap)
