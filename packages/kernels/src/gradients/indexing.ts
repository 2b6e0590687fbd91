import * as tf from '@tensorflow/tfjs-core'
import type { GradientTable } from './rules.js'

/** Adds the rows of dy to the rows they were gathered from; another axis is brought to the front first. */
function scatterRows(dy: tf.Tensor, x: tf.Tensor, indices: tf.Tensor, axis: number): tf.Tensor {
  const before = x.shape.slice(0, axis)
  const after = x.shape.slice(axis + 1)
  const flat = tf.reshape(dy, [...before, indices.size, ...after])
  const order = [axis, ...before.keys(), ...after.map((_, at) => axis + 1 + at)]
  const front = axis === 0 ? flat : tf.transpose(flat, order)
  const sums = tf.unsortedSegmentSum(front, tf.reshape(indices, [indices.size]) as tf.Tensor1D, x.shape[axis])
  return axis === 0
    ? sums
    : tf.transpose(
        sums,
        order.map((_, at) => order.indexOf(at)),
      )
}

export const indexingGradients: GradientTable = {
  GatherV2: {
    inputs: ['x', 'indices'],
    gradient(dy, [x, indices], { axis, batchDims }) {
      if (batchDims) throw new Error('The gradient of gather knows no batchDims.\nFlatten the batch into the gathered axis first.')
      const [along] = tf.util.parseAxisParam(axis, x.shape)
      return { x: () => scatterRows(dy, x, indices, along), indices: () => tf.zerosLike(indices) }
    },
  },
  UnsortedSegmentSum: {
    inputs: ['segmentIds'],
    gradient: (dy, [ids]) => ({
      x() {
        const rows = tf.gather(dy, tf.maximum(ids, tf.scalar(0, 'int32')))
        const valid = tf.cast(tf.greaterEqual(ids, tf.scalar(0, 'int32')), 'float32')
        return tf.mul(rows, tf.reshape(valid, [ids.size, ...new Array<number>(dy.rank - 1).fill(1)]))
      },
    }),
  },
  OneHot: { inputs: ['indices'], gradient: (_dy, [indices]) => ({ indices: () => tf.zeros(indices.shape) }) },
}
