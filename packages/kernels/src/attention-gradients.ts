import * as tf from '@tensorflow/tfjs-core'

/** Attention of some queries over some keys, with what came of it forwards. */
export interface AttendedKeys {
  /** Scaled already; (matrices, queries, size). */
  readonly q: tf.Tensor3D
  /** (matrices, keys, size). */
  readonly k: tf.Tensor3D
  readonly v: tf.Tensor3D
  /** q · kᵀ under its soft limit, without what hides some; (matrices, queries, keys). */
  readonly scores: tf.Tensor3D
  readonly shares: tf.Tensor3D
  /** The gradient of the mixture; (matrices, queries, size). */
  readonly dy: tf.Tensor3D
  /** Σ dy ⊙ mixture over all keys, (matrices, queries, 1); these keys are all where absent. */
  readonly dot?: tf.Tensor3D
}

/**
 * With shares P = softmax(S): dv = Pᵀ · dy, dS = P ⊙ (dy · vᵀ − Σ P ⊙ dy · vᵀ), dq = dS · k, dk = dSᵀ · q; a soft limit scales dS by
 * 1 − (S / cap)². The gradients are those of the scaled queries, and of keys and values.
 */
export const attentionGradients = ({ q, k, v, scores, shares, dy, dot }: AttendedKeys, cap: number | null) => {
  const toShares = tf.matMul<tf.Tensor3D>(dy, v, false, true)
  const limited: tf.Tensor3D = tf.mul(shares, tf.sub(toShares, dot ?? tf.sum(tf.mul(shares, toShares), 2, true)))
  const toScores: tf.Tensor3D = cap === null ? limited : tf.mul(limited, tf.sub(1, tf.square(tf.div(scores, cap))))
  return {
    dq: tf.matMul<tf.Tensor3D>(toScores, k),
    dk: tf.matMul<tf.Tensor3D>(toScores, q, true, false),
    dv: tf.matMul<tf.Tensor3D>(shares, dy, true, false),
  }
}
