import * as tf from '@tensorflow/tfjs-core'
import type { Model } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import type { EvaluationOptions } from './each-output.js'
import { besideReference } from './each-pair.js'
import { checkFinite } from './log-softmax.js'
import type { Window } from './windows.js'

const inputOf = (window: Window): tf.Tensor => tf.tensor2d(Int32Array.from(window), [1, window.length], 'int32')

/** Cosines of the rows of two outputs, (tokens). */
const cosines = (a: tf.Tensor, b: tf.Tensor): tf.Tensor =>
  tf.tidy(() => {
    const [x, y] = [a, b].map(output => tf.reshape(output, [-1, output.shape[output.shape.length - 1]])) // (tokens, hidden)
    const length = (rows: tf.Tensor): tf.Tensor => tf.sqrt(tf.sum(tf.square(rows), 1))
    return tf.div(tf.sum(tf.mul(x, y), 1), tf.maximum(tf.mul(length(x), length(y)), 1e-30))
  })

const checkShapes = (got: readonly number[], expected: readonly number[]): void => {
  if (got.length === expected.length && got.every((extent, axis) => extent === expected[axis])) return
  throw new CompressionError(
    'BAD_DATA',
    `The model gives [${got.join(', ')}], the reference [${expected.join(', ')}].`,
    'Compare an encoder with itself before compression.',
    { got, expected },
  )
}

/**
 * How near an encoder's hidden states are to a reference's: the mean over tokens of h · h' / (‖h‖ · ‖h'‖), 1 where all point the same way.
 * Outputs: (1, tokens, hidden) of each window. The reference is held whole; throws BAD_DATA for other shapes and without windows,
 * NOT_FINITE for states that are no numbers, or the signal's reason.
 */
export const cosineSimilarity = async (
  model: Model,
  reference: Model,
  windows: readonly Window[],
  options: EvaluationOptions = {},
): Promise<{ readonly cosine: number; readonly lowest: number; readonly tokens: number }> => {
  if (windows.length === 0) throw new CompressionError('BAD_DATA', 'There is no window to compare on.', 'Pass a longer text.')
  let [sum, tokens, lowest] = [0, 0, 1]
  const batches = windows.map(window => ({ size: 1, shape: [1, window.length], input: () => inputOf(window) }))
  await besideReference({ model, reference }, batches, options, async (states, expected) => {
    checkShapes(states.shape, expected.shape)
    const each = cosines(states, expected)
    const values = await each.data()
    each.dispose()
    for (const value of values) {
      sum += value
      lowest = Math.min(lowest, value)
    }
    tokens += values.length
  })
  checkFinite(sum)
  return { cosine: sum / tokens, lowest, tokens }
}
