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

/**
 * Sums over inputs, (in), with the mean of the others where an input never came, or 1 where none did: what calibration never saw is
 * then taken for usual, and not for worthless.
 */
export const withoutGaps = (sums: tf.Tensor): tf.Tensor =>
  tf.tidy(() => {
    const reached = tf.cast(tf.greater(sums, 0), 'float32')
    const count = tf.sum(reached)
    const mean = tf.div(tf.sum(sums), tf.maximum(count, 1))
    const usual = tf.add(mean, tf.cast(tf.equal(count, 0), 'float32'))
    return tf.add(sums, tf.mul(tf.sub(1, reached), usual))
  })

/** A Hessian made safe to invert. */
export interface DampedHessian {
  /** (in, in), row-major, owned by the caller. */
  readonly values: Float32Array
}

/**
 * H with damping · mean(diag H) added to its diagonal; damping: a fraction. Columns that no input reached get the mean of the others
 * first, or 1 where none was reached: they take part as columns of usual inputs that go along with no other, and so are rounded by
 * themselves. An input that calibration never had may come later.
 */
export const damped = async (hessian: tf.Tensor2D, damping: number): Promise<DampedHessian> => {
  const n = hessian.shape[0]
  const values = (await hessian.data<'float32'>()).slice()
  let [trace, reached] = [0, 0]
  for (let j = 0; j < n; j++) {
    trace += values[j * n + j]
    if (values[j * n + j] > 0) reached++
  }
  const mean = reached > 0 ? trace / reached : 1
  for (let j = 0; j < n; j++) values[j * n + j] = (values[j * n + j] || mean) + damping * mean
  return { values }
}
