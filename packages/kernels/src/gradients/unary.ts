import * as tf from '@tensorflow/tfjs-core'
import type { GradientRule, GradientTable } from './rules.js'

type FromInput = (dy: tf.Tensor, x: tf.Tensor, attributes: any) => tf.Tensor

/** dx as a function of dy and x. */
const FROM_INPUT: Readonly<Record<string, FromInput>> = {
  Abs: (dy, x) => tf.mul(dy, tf.step(x, -1)),
  Acos: (dy, x) => tf.neg(tf.div(dy, tf.sqrt(tf.sub(1, tf.square(x))))),
  Asin: (dy, x) => tf.div(dy, tf.sqrt(tf.sub(1, tf.square(x)))),
  Atan: (dy, x) => tf.div(dy, tf.add(1, tf.square(x))),
  ClipByValue: (dy, x, { clipValueMin, clipValueMax }) =>
    tf.where(tf.logicalAnd(tf.greaterEqual(x, clipValueMin), tf.lessEqual(x, clipValueMax)), dy, tf.zerosLike(dy)),
  Cos: (dy, x) => tf.neg(tf.mul(dy, tf.sin(x))),
  Cosh: (dy, x) => tf.mul(dy, tf.sinh(x)),
  Erf: (dy, x) => tf.mul(dy, tf.mul(2 / Math.sqrt(Math.PI), tf.exp(tf.neg(tf.square(x))))),
  Elu: (dy, x) => tf.mul(dy, tf.where(tf.greater(x, 0), tf.onesLike(x), tf.exp(x))),
  Expm1: (dy, x) => tf.mul(dy, tf.exp(x)),
  LeakyRelu: (dy, x, { alpha }) => tf.mul(dy, tf.step(x, alpha)),
  Log: (dy, x) => tf.div(dy, x),
  Log1p: (dy, x) => tf.div(dy, tf.add(1, x)),
  Relu6: (dy, x) => tf.mul(dy, tf.mul(tf.step(x), tf.cast(tf.lessEqual(x, 6), 'float32'))),
  Sin: (dy, x) => tf.mul(dy, tf.cos(x)),
  Sinh: (dy, x) => tf.mul(dy, tf.cosh(x)),
  Softplus: (dy, x) => tf.mul(dy, tf.sigmoid(x)),
  Square: (dy, x) => tf.mul(tf.mul(dy, 2), x),
  Tan: (dy, x) => tf.div(dy, tf.square(tf.cos(x))),
}

/**
 * dx as a function of dy and y, where y is computed again from x: tfjs puts a saved output on the tape before the kernel that made it, and
 * the gradient of the gradient would not pass it. Engines that record find y where it stands.
 */
const FROM_VALUE: Readonly<Record<string, readonly [f: (x: tf.Tensor) => tf.Tensor, dx: (dy: tf.Tensor, y: tf.Tensor) => tf.Tensor]>> = {
  Exp: [tf.exp, (dy, y) => tf.mul(dy, y)],
  Reciprocal: [tf.reciprocal, (dy, y) => tf.neg(tf.mul(dy, tf.square(y)))],
  Rsqrt: [tf.rsqrt, (dy, y) => tf.mul(tf.mul(dy, -0.5), tf.mul(y, tf.square(y)))],
  Sigmoid: [tf.sigmoid, (dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y)))],
  Sqrt: [tf.sqrt, (dy, y) => tf.div(dy, tf.mul(y, 2))],
  Tanh: [tf.tanh, (dy, y) => tf.mul(dy, tf.sub(1, tf.square(y)))],
}

/** Piecewise constant functions, and those of which only the shape counts. */
const ZERO = [
  'Ceil',
  'Floor',
  'IsFinite',
  'IsInf',
  'IsNan',
  'LogicalNot',
  'OnesLike',
  'Round',
  'Sign',
  'Step',
  'ZerosLike',
  'ArgMax',
  'ArgMin',
]

const zero: GradientRule = { inputs: ['x'], gradient: (_dy, [x]) => ({ x: () => tf.zeros(x.shape) }) }

export const unaryGradients: GradientTable = {
  ...Object.fromEntries(
    Object.entries(FROM_INPUT).map(([name, rule]) => [
      name,
      { inputs: ['x'], gradient: (dy, [x], attributes) => ({ x: () => rule(dy, x, attributes) }) } satisfies GradientRule,
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(FROM_VALUE).map(([name, [f, rule]]) => [
      name,
      { inputs: ['x'], gradient: (dy, [x]) => ({ x: () => rule(dy, f(x)) }) } satisfies GradientRule,
    ]),
  ),
  // Its slope is flat, so that nothing is lost on the tape.
  Relu: { outputs: [true], gradient: (dy, [y]) => ({ x: () => tf.mul(dy, tf.step(y)) }) },
  ...Object.fromEntries(ZERO.map(name => [name, zero])),
  Neg: { gradient: dy => ({ x: () => tf.neg(dy) }) },
  Cast: { gradient: dy => ({ x: () => tf.cast(dy, 'float32') }) },
  Identity: { gradient: dy => ({ x: () => tf.cast(dy, 'float32') }) },
  Cumsum: {
    gradient: (dy, _saved, { axis, exclusive, reverse }) => ({ x: () => tf.cumsum(dy, axis, exclusive, !reverse) }),
  },
  Softmax: {
    inputs: ['logits'],
    gradient: (dy, [logits], { dim }) => ({
      logits() {
        const y = tf.softmax(logits, dim)
        const product = tf.mul(dy, y)
        return tf.sub(product, tf.mul(tf.sum(product, [dim], true), y))
      },
    }),
  },
}
