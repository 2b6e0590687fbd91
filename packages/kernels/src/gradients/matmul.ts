import * as tf from '@tensorflow/tfjs-core'
import type { GradientTable } from './rules.js'
import { sumTo } from './shapes.js'

const isOneMatrix = (x: tf.Tensor) => tf.util.sizeFromShape(x.shape.slice(0, -2)) === 1
const rowsOf = (x: tf.Tensor) => tf.reshape(x, [-1, x.shape.at(-1)!])

/** d(a·b)/db for one matrix b under a batch of a: one tall product instead of a batch of products and a sum. */
function sharedRight(dy: tf.Tensor, a: tf.Tensor, b: tf.Tensor, transposeB: boolean): tf.Tensor {
  const [left, right] = transposeB ? [dy, a] : [a, dy]
  return tf.reshape(tf.matMul(rowsOf(left), rowsOf(right), true), b.shape)
}

function gradientA(dy: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): tf.Tensor {
  return transposeA ? tf.matMul(b, dy, transposeB, true) : tf.matMul(dy, b, false, !transposeB)
}

function gradientB(dy: tf.Tensor, a: tf.Tensor, transposeA: boolean, transposeB: boolean): tf.Tensor {
  return transposeB ? tf.matMul(dy, a, true, transposeA) : tf.matMul(a, dy, !transposeA)
}

export const matMulGradients: GradientTable = {
  BatchMatMul: {
    inputs: ['a', 'b'],
    gradient: (dy, [a, b], { transposeA, transposeB }) => ({
      a: () => sumTo(gradientA(dy, b, !!transposeA, !!transposeB), a.shape),
      b: () =>
        !transposeA && isOneMatrix(b) && !isOneMatrix(a)
          ? sharedRight(dy, a, b, !!transposeB)
          : sumTo(gradientB(dy, a, !!transposeA, !!transposeB), b.shape),
    }),
  },
}
