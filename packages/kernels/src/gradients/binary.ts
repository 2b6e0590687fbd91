import * as tf from '@tensorflow/tfjs-core'
import type { GradientRule, GradientTable } from './rules.js'
import { sumTo } from './shapes.js'

type Partial = (dy: tf.Tensor, a: tf.Tensor, b: tf.Tensor) => tf.Tensor
const floatOf = (condition: tf.Tensor) => tf.cast(condition, 'float32')

/** da and db before summing over broadcast axes. */
const PARTIALS: Readonly<Record<string, readonly [a: Partial, b: Partial]>> = {
  Add: [dy => dy, dy => dy],
  Sub: [dy => dy, dy => tf.neg(dy)],
  Multiply: [(dy, _a, b) => tf.mul(dy, b), (dy, a) => tf.mul(dy, a)],
  RealDiv: [(dy, _a, b) => tf.div(dy, b), (dy, a, b) => tf.neg(tf.div(tf.mul(dy, a), tf.square(b)))],
  Maximum: [(dy, a, b) => tf.mul(dy, floatOf(tf.greaterEqual(a, b))), (dy, a, b) => tf.mul(dy, floatOf(tf.less(a, b)))],
  Minimum: [(dy, a, b) => tf.mul(dy, floatOf(tf.lessEqual(a, b))), (dy, a, b) => tf.mul(dy, floatOf(tf.greater(a, b)))],
  SquaredDifference: [(dy, a, b) => tf.mul(tf.mul(dy, 2), tf.sub(a, b)), (dy, a, b) => tf.mul(tf.mul(dy, 2), tf.sub(b, a))],
  Pow: [
    (dy, a, b) => tf.mul(dy, tf.mul(b, tf.pow(a, tf.sub(b, 1)))),
    (dy, a, b) => {
      const positive = tf.greater(a, 0)
      return tf.mul(dy, tf.mul(tf.pow(a, b), tf.where(positive, tf.log(tf.where(positive, a, tf.onesLike(a))), tf.zerosLike(a))))
    },
  ],
}

const rule = ([partialA, partialB]: readonly [Partial, Partial]): GradientRule => ({
  inputs: ['a', 'b'],
  gradient: (dy, [a, b]) => ({ a: () => sumTo(partialA(dy, a, b), a.shape), b: () => sumTo(partialB(dy, a, b), b.shape) }),
})

/** Comparisons are piecewise constant: they pass nothing on. */
const FLAT = ['Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalOr', 'FloorDiv']
const flat: GradientRule = {
  inputs: ['a', 'b'],
  gradient: (_dy, [a, b]) => ({ a: () => tf.zeros(a.shape), b: () => tf.zeros(b.shape) }),
}

export const binaryGradients: GradientTable = {
  ...Object.fromEntries(Object.entries(PARTIALS).map(([name, partials]) => [name, rule(partials)])),
  ...Object.fromEntries(FLAT.map(name => [name, flat])),
  AddN: {
    allInputs: true,
    gradient: (dy, terms: tf.Tensor[]) => Object.fromEntries(terms.map((_, index) => [index, () => tf.reshape(dy, dy.shape)])),
  },
  Select: {
    inputs: ['condition'],
    gradient: (dy, [condition]) => ({
      condition: () => tf.zeros(condition.shape),
      t: () => tf.mul(dy, floatOf(condition)),
      e: () => tf.mul(dy, floatOf(tf.logicalNot(condition))),
    }),
  },
  Prelu: {
    inputs: ['x', 'alpha'],
    gradient: (dy, [x, alpha]) => ({
      x: () => tf.where(tf.greater(x, 0), dy, tf.mul(dy, alpha)),
      alpha: () => sumTo(tf.where(tf.greater(x, 0), tf.zerosLike(dy), tf.mul(dy, x)), alpha.shape),
    }),
  },
}
