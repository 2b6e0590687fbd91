import * as tf from '@tensorflow/tfjs-core'
import type { GradientRule, GradientTable } from './rules.js'
import { keepAxes } from './shapes.js'

/** The largest and the smallest pass their gradient to every element that equals them. */
const extreme: GradientRule = {
  inputs: ['x'],
  outputs: [true],
  gradient: (dy, [x, y], { reductionIndices }) => ({
    x: () => tf.mul(keepAxes(dy, x.shape, reductionIndices), tf.cast(tf.equal(x, keepAxes(y, x.shape, reductionIndices)), 'float32')),
  }),
}

export const reductionGradients: GradientTable = {
  Max: extreme,
  Min: extreme,
  Sum: { inputs: ['x'], gradient: (dy, [x], { axis }) => ({ x: () => tf.broadcastTo(keepAxes(dy, x.shape, axis), x.shape) }) },
  Mean: {
    inputs: ['x'],
    gradient: (dy, [x], { axis }) => ({
      x() {
        const kept = keepAxes(dy, x.shape, axis)
        return tf.broadcastTo(tf.mul(kept, kept.size / x.size), x.shape)
      },
    }),
  },
}
