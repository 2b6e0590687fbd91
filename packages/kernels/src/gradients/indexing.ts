import * as tf from '@tensorflow/tfjs-core'
import type { GradientTable } from './rules.js'

/** The sizes of x around the axis that is gathered: those that are gathered alike within a batch, the axis, and what each index brings along. */
const partsOf = (x: tf.Tensor, axis: number, batchDims: number) => {
  const size = (from: number, to?: number) => tf.util.sizeFromShape(x.shape.slice(from, to))
  return { batch: size(0, batchDims), between: size(batchDims, axis), length: x.shape[axis], behind: size(axis + 1) }
}

/**
 * Adds dy where it was gathered from. The rows of x are numbered through, (batch · between · length), and so are those that indices, of their own
 * in each element of the batch, point to.
 */
function scatter(dy: tf.Tensor, x: tf.Tensor, indices: tf.Tensor, axis: number, batchDims: number): tf.Tensor {
  const { batch, between, length, behind } = partsOf(x, axis, batchDims)
  const each = indices.size / batch
  const within = tf.reshape(indices, [batch, 1, each])
  const first = tf.reshape(tf.mul(tf.range(0, batch * between, 1, 'int32'), tf.scalar(length, 'int32')), [batch, between, 1])
  const rows = batch * between === 1 ? within : tf.add(within, first) // (batch, between, each)
  const flat = tf.reshape(dy, [batch * between * each, behind])
  return tf.reshape(tf.unsortedSegmentSum(flat, tf.reshape(rows, [-1]) as tf.Tensor1D, batch * between * length), x.shape)
}

export const indexingGradients: GradientTable = {
  GatherV2: {
    inputs: ['x', 'indices'],
    gradient(dy, [x, indices], { axis, batchDims = 0 }) {
      const [along] = tf.util.parseAxisParam(axis, x.shape)
      const batched = batchDims < 0 ? batchDims + indices.rank : batchDims
      return { x: () => scatter(dy, x, indices, along, batched), indices: () => tf.zeros(indices.shape) }
    },
  },
  TopK: {
    inputs: ['x'],
    outputs: [false, true],
    gradient: ([dy], [x, indices]) => ({ x: () => scatter(dy, x, indices, x.rank - 1, x.rank - 1) }),
  },
  UnsortedSegmentSum: {
    inputs: ['segmentIds'],
    gradient: (dy, [ids]) => ({
      segmentIds: () => tf.zeros(ids.shape),
      x() {
        const rows = tf.gather(dy, tf.maximum(ids, tf.scalar(0, 'int32')))
        const valid = tf.cast(tf.greaterEqual(ids, tf.scalar(0, 'int32')), 'float32')
        return tf.mul(rows, tf.reshape(valid, [ids.size, ...new Array<number>(dy.rank - 1).fill(1)]))
      },
    }),
  },
  ScatterNd: {
    inputs: ['indices'],
    gradient: (dy, [indices]) => ({
      indices: () => tf.zeros(indices.shape),
      updates: () =>
        indices.shape.at(-1) === 1 ? tf.gather(dy, tf.reshape(indices, indices.shape.slice(0, -1))) : tf.gatherND(dy, indices),
    }),
  },
  GatherNd: {
    inputs: ['params', 'indices'],
    gradient: (dy, [params, indices]) => ({
      params: () => tf.scatterND(indices, dy, params.shape as never),
      indices: () => tf.zeros(indices.shape),
    }),
  },
  OneHot: { inputs: ['indices'], gradient: (_dy, [indices]) => ({ indices: () => tf.zeros(indices.shape) }) },
}
