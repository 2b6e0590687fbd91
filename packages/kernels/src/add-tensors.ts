import * as tf from '@tensorflow/tfjs-core'

/** WebGPU gives a program eight buffers, and one of them is its output. */
const AT_ONCE = 7

/**
 * a + b + c + …, in this order, of tensors of one shape. tfjs's addN makes one program of all: with more than seven WebGPU refuses it, and with
 * it, without a word, all that was submitted beside it.
 */
export const addTensors = <T extends tf.Tensor>(tensors: readonly T[]): T =>
  tf.tidy(() => {
    /* eslint-disable no-restricted-properties -- the one place that may */
    let sum = tf.addN(tensors.slice(0, AT_ONCE))
    for (let at = AT_ONCE; at < tensors.length; at += AT_ONCE - 1) sum = tf.addN([sum, ...tensors.slice(at, at + AT_ONCE - 1)])
    return sum
  })
