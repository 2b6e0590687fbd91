import * as tf from '@tensorflow/tfjs-core'
import { addTensors } from './add-tensors.js'

/** Columns of a panel, more or less: narrower ones save little and make small products. */
const WIDTH = 512
const MOST_PANELS = 8

/** A symmetric matrix G, ready for Σ_rows x G xᵀ. */
export interface QuadraticForm {
  /** The sum over all rows; rows: (any, n). */
  of(rows: tf.Tensor2D): tf.Scalar
  dispose(): void
}

interface Panel {
  readonly start: number
  readonly end: number
  /** Columns start … end−1 of G down to row end−1, what lies above their square twice; (end, end − start). */
  readonly values: tf.Tensor2D
}

const panelOf = (matrix: tf.Tensor2D, start: number, end: number): tf.Tensor2D =>
  tf.tidy(() => {
    const part = (from: number, to: number): tf.Tensor2D => tf.slice(matrix, [from, start], [to - from, end - start])
    return start === 0 ? part(0, end) : tf.concat<tf.Tensor2D>([tf.mul(part(0, start), 2), part(start, end)])
  })

/**
 * Σ_rows x G xᵀ of a symmetric G, (n, n), by the half of it above the diagonal: x_i G_ij x_j counts twice where i < j.
 * width: columns of a panel. Cost: rows · n² / 2 multiply-adds and those of the squares on the diagonal.
 */
export const quadraticForm = (matrix: tf.Tensor2D, width = WIDTH): QuadraticForm => {
  const n = matrix.shape[0]
  const count = Math.max(1, Math.min(MOST_PANELS, Math.floor(n / width)))
  const bound = (index: number): number => Math.round((index * n) / count)
  const panels = Array.from({ length: count }, (_, index): Panel => {
    const [start, end] = [bound(index), bound(index + 1)]
    return { start, end, values: panelOf(matrix, start, end) }
  })
  return {
    of: rows =>
      tf.tidy(() => {
        const columns = (start: number, end: number): tf.Tensor2D => tf.slice(rows, [0, start], [rows.shape[0], end - start])
        const sums = panels.map(({ start, end, values }) =>
          tf.sum<tf.Scalar>(tf.mul(tf.matMul(columns(0, end), values), columns(start, end))),
        )
        return addTensors(sums)
      }),
    dispose: () => tf.dispose(panels.map(({ values }) => values)),
  }
}
