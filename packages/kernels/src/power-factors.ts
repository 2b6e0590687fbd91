import * as tf from '@tensorflow/tfjs-core'

/** x ≈ u · v of each matrix. */
export interface PowerFactors {
  /** (matrices, lines, rank), orthonormal columns. */
  readonly u: tf.Tensor3D
  /** (matrices, rank, columns) */
  readonly v: tf.Tensor3D
}

export interface PowerFactorsOptions {
  /** Where uniform numbers of [0, 1) come from. */
  readonly rng: { uniform(): number }
  /** Products with x and with its transpose, one after the other; 3 by default. */
  readonly loops?: number
}

/** Below this part of what it was before a column is a rounding error of those before it. */
const NEGLIGIBLE = 1e-5

/** The length of each column. */
const lengths = (x: tf.Tensor3D): tf.Tensor3D => tf.sqrt(tf.sum(tf.square(x), 1, true)) // (matrices, 1, rank)

/** Orthonormal columns by Gram and Schmidt, each twice; a column that the others make up becomes 0. x: (matrices, lines, rank). */
const orthonormal = (x: tf.Tensor3D): tf.Tensor3D =>
  tf.tidy(() => {
    const columns = tf.split(x, x.shape[2], 2) as tf.Tensor3D[]
    const least = tf.split(tf.mul(lengths(x), NEGLIGIBLE), columns.length, 2)
    let basis: tf.Tensor3D | undefined
    for (const [i, column] of columns.entries()) {
      const before = basis
      const without = (y: tf.Tensor3D): tf.Tensor3D =>
        before ? tf.sub(y, tf.matMul(before, tf.matMul(before, y, true, false) as tf.Tensor3D)) : y
      const rest = without(without(column))
      const length = lengths(rest)
      const isNew = tf.greater(length, least[i]) // (matrices, 1, 1)
      const unit = tf.where(isNew, tf.div(rest, tf.maximum(length, 1e-30)), tf.zerosLike(rest)) as tf.Tensor3D
      basis = before ? tf.concat([before, unit], 2) : unit
    }
    return basis!
  })

/**
 * The best factors of some rank of each of some matrices, or nearly, by power iteration: v random; u = orth(x · vᵀ), v = uᵀ · x, several times.
 * x: (matrices, lines, columns); the rank is at most the smaller extent. Cost: 2 · loops products with x, and rank² small operations.
 */
export const powerFactors = (x: tf.Tensor3D, rank: number, { rng, loops = 3 }: PowerFactorsOptions): PowerFactors => {
  const [, lines, columns] = x.shape
  const width = Math.min(rank, lines, columns)
  const start = Float32Array.from({ length: width * columns }, () => 2 * rng.uniform() - 1)
  const [u, v] = tf.tidy(() => {
    let right = tf.tile(tf.tensor3d(start, [1, width, columns]), [x.shape[0], 1, 1]) as tf.Tensor3D
    let left!: tf.Tensor3D
    for (let loop = 0; loop < loops; loop++) {
      const turned = orthonormal(tf.transpose(right, [0, 2, 1]) as tf.Tensor3D) // (matrices, columns, rank)
      left = orthonormal(tf.matMul<tf.Tensor3D>(x, turned))
      right = tf.matMul<tf.Tensor3D>(left, x, true, false)
    }
    return [left, right]
  })
  return { u, v }
}
