import * as tf from '@tensorflow/tfjs-core'
import { decode, type Channels } from '@tersor/core'
import { fromFloat32, toFloat32, type Dense, type Parameter } from '@tersor/tensor'

/** The axes of a tensor with one of them first. */
const axisFirst = (rank: number, axis: number): number[] => [axis, ...Array.from({ length: rank }, (_, at) => at).filter(at => at !== axis)]

/** A run of channels as rows, (count, rest); a vector has one column. */
const rowsOf = (parameter: Parameter, { axis, start = 0, count }: Channels): tf.Tensor2D =>
  tf.tidy(() => {
    const whole = decode(parameter)
    const rows = tf.slice(tf.transpose(whole, axisFirst(whole.rank, axis)), start, count)
    return tf.reshape(rows, [count, -1]) as tf.Tensor2D
  })

/** Weight and bias of a run of channels, read for inputs with a 1 behind them: (count, in + 1). */
export const withBias = ([weight, bias]: readonly (readonly [Parameter, Channels])[]): tf.Tensor2D =>
  tf.tidy(() => {
    const rows = rowsOf(...weight)
    return tf.concat([rows, bias ? rowsOf(...bias) : tf.zeros([rows.shape[0], 1])], 1) as tf.Tensor2D
  })

/** A run of channels in matrices, one for each vector of `size`: xₕ ← Aₕ · xₕ; A: (vectors, size, size). */
export const timesEach = async (dense: Dense, channels: Channels, matrices: tf.Tensor3D): Promise<Dense> => {
  const { axis, start = 0, count } = channels
  const [vectors, size] = matrices.shape
  const { shape } = dense
  const order = axisFirst(shape.length, axis)
  const made = tf.tidy(() => {
    const whole = tf.transpose(tf.tensor(toFloat32(dense), [...shape]), order)
    const rest = order.slice(1).map(at => shape[at])
    const rows = tf.reshape(whole, [shape[axis], -1]) // (channels, rest)
    const run = tf.reshape(tf.slice(rows, start, count), [vectors, size, -1]) as tf.Tensor3D // (count, rest) -> (vectors, size, rest)
    const turned = tf.reshape(tf.matMul(matrices, run), [count, -1])
    const behind = shape[axis] - start - count
    const parts = [...(start > 0 ? [tf.slice(rows, 0, start)] : []), turned, ...(behind > 0 ? [tf.slice(rows, start + count, behind)] : [])]
    const back = shape.map((_, at) => order.indexOf(at))
    return tf.transpose(tf.reshape(parts.length === 1 ? turned : tf.concat(parts, 0), [shape[axis], ...rest]), back)
  })
  try {
    return fromFloat32(await made.data<'float32'>(), 'f32', shape)
  } finally {
    made.dispose()
  }
}
