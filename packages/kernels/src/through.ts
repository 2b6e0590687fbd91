import * as tf from '@tensorflow/tfjs-core'
import type { Tensor } from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'

type Backward = (dy: Tensor, kept: Tensor) => Tensor

/** A value as a function of x alone, whose gradient is what `backward` says, of dy and a tensor that is kept for it: x where absent. */
const withGradient = (x: Tensor, value: () => Tensor, backward: Backward, kept?: Tensor): Tensor =>
  tf.customGrad((input, save) => {
    ;(save as (tensors: Tensor[]) => void)([kept ?? (input as Tensor)])
    return { value: value(), gradFunc: (dy: Tensor, [saved]: Tensor[]) => backward(dy, saved) }
  })(x)

/**
 * `value` forwards, dy for x backwards: the straight-through estimator, such as `through(tf.round(x), x)`; both of one shape.
 * What `value` was made of gets no gradient by it. Throws SHAPE.
 * Bengio et al. 2013, https://arxiv.org/abs/1308.3432
 */
export const through = (value: Tensor, x: Tensor): Tensor => {
  if (!tf.util.arraysEqual(value.shape, x.shape))
    throw new CompressionError(
      'SHAPE',
      `through got a value of [${value.shape.join(', ')}] for an x of [${x.shape.join(', ')}].`,
      'Pass two tensors of one shape: broadcast the smaller one first.',
    )
  return withGradient(
    x,
    () => tf.clone(value),
    dy => tf.clone(dy),
  )
}

/** min(max(x, low), high) forwards, dy backwards: what lies outside learns as if it did not. */
export const clampThrough = (x: Tensor, low: number, high: number): Tensor => through(tf.clipByValue(x, low, high), x)

/** x forwards, factor · dy backwards, such as LSQ's 1 / √(count · levels) for a step size; no gradient reaches the factor. */
export const scaleGradient = (x: Tensor, factor: number | Tensor): Tensor =>
  typeof factor === 'number'
    ? withGradient(
        x,
        () => tf.clone(x),
        dy => tf.mul(dy, factor),
      )
    : withGradient(x, () => tf.clone(x), tf.mul, factor)

/**
 * min(max(x, low), high) forwards; backwards dy where x lies within, or where descent brings it back: below `low` where dy < 0, above `high`
 * where dy > 0. A clamp alone would leave there for good what once stepped outside.
 */
export const oneSided = (x: Tensor, { low = -Infinity, high = Infinity }: { readonly low?: number; readonly high?: number }): Tensor =>
  withGradient(
    x,
    () => tf.clipByValue(x, low, high),
    (dy, saved) => {
      const passes = tf.logicalAnd(
        tf.logicalOr(tf.greaterEqual(saved, low), tf.less(dy, 0)),
        tf.logicalOr(tf.lessEqual(saved, high), tf.greater(dy, 0)),
      )
      return tf.where(passes, dy, tf.zerosLike(dy))
    },
  )
