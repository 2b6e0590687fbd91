import * as tf from '@tensorflow/tfjs-core'
import type { GradientRule, GradientTable } from './rules.js'

const reshaped: GradientRule = { inputs: ['x'], gradient: (dy, [x]) => ({ x: () => tf.reshape(dy, x.shape) }) }

/** Repeated parts lie one after another: split every repeated axis in two and sum over the repetitions. */
function sumRepeats(dy: tf.Tensor, shape: number[], reps: number[]): tf.Tensor {
  const split = shape.flatMap((length, axis) => (reps[axis] === 1 ? [length] : [reps[axis], length]))
  const axes: number[] = []
  let position = 0
  for (const repetitions of reps) {
    if (repetitions !== 1) axes.push(position++)
    position++
  }
  return axes.length === 0 ? dy : tf.reshape(tf.sum(tf.reshape(dy, split), axes), shape)
}

function sizesAlong(parts: readonly tf.Tensor[], axis: number): number[] {
  return parts.map(part => part.shape[axis])
}

const byIndex = (gradients: readonly tf.Tensor[]) => Object.fromEntries(gradients.map((gradient, index) => [index, () => gradient]))

function padded(dy: tf.Tensor, x: tf.Tensor, begin: number[], size: number[]): tf.Tensor {
  const [from, extent] = tf.slice_util.parseSliceParams(x, begin, size)
  return tf.pad(
    dy,
    from.map((start, axis): [number, number] => [start, x.shape[axis] - start - extent[axis]]),
  )
}

export const layoutGradients: GradientTable = {
  Reshape: reshaped,
  ExpandDims: { inputs: ['input'], gradient: (dy, [input]) => ({ input: () => tf.reshape(dy, input.shape) }) },
  Transpose: {
    gradient: (dy, _saved, { perm }: { perm: number[] }) => ({
      x: () =>
        tf.transpose(
          dy,
          perm.map((_, axis) => perm.indexOf(axis)),
        ),
    }),
  },
  Concat: {
    allInputs: true,
    gradient(dy, parts: tf.Tensor[], { axis }) {
      const [along] = tf.util.parseAxisParam(axis, parts[0].shape)
      return byIndex(tf.split(dy, sizesAlong(parts, along), along))
    },
  },
  SplitV: { gradient: (dys, _saved, { axis }) => ({ x: () => tf.concat(dys, axis) }) },
  Pack: { gradient: (dy, _saved, { axis }) => byIndex(tf.unstack(dy, axis)) },
  Unpack: { gradient: (dys, _saved, { axis }) => ({ value: () => tf.stack(dys, axis) }) },
  Slice: { inputs: ['x'], gradient: (dy, [x], { begin, size }) => ({ x: () => padded(dy, x, begin, size) }) },
  PadV2: {
    inputs: ['x'],
    gradient: (dy, [x], { paddings }: { paddings: [number, number][] }) => ({
      x: () =>
        tf.slice(
          dy,
          paddings.map(([before]) => before),
          x.shape,
        ),
    }),
  },
  Tile: { inputs: ['x'], gradient: (dy, [x], { reps }) => ({ x: () => sumRepeats(dy, x.shape, reps) }) },
  Reverse: {
    gradient: (dy, _saved, { dims }) => ({ x: () => tf.reverse(dy, dims) }),
  },
}
