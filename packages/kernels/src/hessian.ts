import * as tf from '@tensorflow/tfjs-core'

/** The second moment of a site's inputs as a calibration: H ← H + XᵀX, X: (tokens, in), H: (in, in). */
export const gram = {
  init: (_site: unknown, columns: number): tf.Tensor => tf.zeros([columns, columns]),
  update: (sum: tf.Tensor, x: tf.Tensor2D): tf.Tensor => tf.add(sum, tf.matMul(x, x, true, false)),
}

/** The squares of each column of a site's inputs as a calibration: s ← s + Σ x², x: (tokens, in), s: (in). */
export const columnSquares = {
  init: (_site: unknown, columns: number): tf.Tensor => tf.zeros([columns]),
  update: (sum: tf.Tensor, x: tf.Tensor2D): tf.Tensor => tf.add(sum, tf.sum(tf.square(x), 0)),
}

/** A Hessian made safe to invert. */
export interface DampedHessian {
  /** (in, in), row-major, owned by the caller. */
  readonly values: Float32Array
  /** Columns no input ever reached: their diagonal is set to 1 and their weights do not matter. */
  readonly dead: readonly number[]
}

/** H with 1 on dead diagonals and damping · mean(diag H) added to all; damping: a fraction. */
export const damped = async (hessian: tf.Tensor2D, damping: number): Promise<DampedHessian> => {
  const n = hessian.shape[0]
  const values = (await hessian.data<'float32'>()).slice()
  const dead: number[] = []
  let trace = 0
  for (let j = 0; j < n; j++) {
    if (values[j * n + j] === 0) {
      values[j * n + j] = 1
      dead.push(j)
    }
    trace += values[j * n + j]
  }
  for (let j = 0; j < n; j++) values[j * n + j] += (damping * trace) / n
  return { values, dead }
}
