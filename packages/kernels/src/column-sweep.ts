import * as tf from '@tensorflow/tfjs-core'

/** The matrix while a sweep goes through it; columns are views that later steps change. */
export interface SweepState {
  readonly rows: number
  readonly columns: number
  /** Current weights of a column: compensated for all columns before it within its block, and for all blocks before. */
  column(j: number): Float32Array
}

/** What happens to each column on the way. */
export interface ColumnVisitor {
  /** Called when a block of columns start … end−1 is reached. */
  enter?(start: number, end: number, state: SweepState): void
  /** Writes what column j becomes; weights are its current values, (rows). */
  compress(j: number, weights: Float32Array, compressed: Float32Array, state: SweepState): void
}

export interface SweepInput {
  /** (rows, columns), row-major. */
  readonly weight: Float32Array
  readonly rows: number
  readonly columns: number
  /** Upper Cholesky factor U of H⁻¹ = UᵀU, (columns, columns), row-major. */
  readonly upper: Float32Array
  /** Columns that are finished before the rest of the matrix hears of their errors. */
  readonly block?: number
  readonly signal?: AbortSignal
}

/**
 * Compresses columns left to right and makes later columns take up each error (optimal brain surgeon):
 * e = (w_j − q_j) / U_jj;  w_k ← w_k − e · U_jk for k > j, inside the block at once and behind it by one matrix product.
 * Returns the compressed matrix (rows, columns) and Σ e² / 2. Cost: rows · columns² multiply-adds, block/columns of them in plain loops.
 */
export const columnSweep = async (input: SweepInput, visitor: ColumnVisitor): Promise<{ values: Float32Array; loss: number }> => {
  const { rows, columns, upper, block = 128 } = input
  const current = transpose(input.weight, rows, columns) // (columns, rows)
  const compressed = new Float32Array(rows * columns) // (columns, rows)
  const state: SweepState = { rows, columns, column: j => current.subarray(j * rows, (j + 1) * rows) }
  let loss = 0
  for (let start = 0; start < columns; start += block) {
    input.signal?.throwIfAborted()
    const end = Math.min(start + block, columns)
    const errors = new Float32Array((end - start) * rows) // (block, rows)
    visitor.enter?.(start, end, state)
    for (let j = start; j < end; j++) {
      const weights = state.column(j)
      const result = compressed.subarray(j * rows, (j + 1) * rows)
      visitor.compress(j, weights, result, state)
      const error = errors.subarray((j - start) * rows, (j - start + 1) * rows)
      loss += divideError(weights, result, upper[j * columns + j], error)
      for (let k = j + 1; k < end; k++) subtractScaled(state.column(k), error, upper[j * columns + k])
    }
    if (end < columns) await compensate(current, errors, input, start, end)
  }
  return { values: transpose(compressed, columns, rows), loss }
}

const divideError = (weights: Float32Array, compressed: Float32Array, diagonal: number, error: Float32Array): number => {
  let loss = 0
  for (let r = 0; r < weights.length; r++) {
    const e = (weights[r] - compressed[r]) / diagonal
    error[r] = e
    loss += (e * e) / 2
  }
  return loss
}

const subtractScaled = (target: Float32Array, source: Float32Array, factor: number): void => {
  for (let r = 0; r < target.length; r++) target[r] -= source[r] * factor
}

/** Columns behind the block: Wᵀ[end…] −= U[block, end…]ᵀ · E. */
const compensate = async (
  current: Float32Array,
  errors: Float32Array,
  { rows, columns, upper }: SweepInput,
  start: number,
  end: number,
): Promise<void> => {
  const behind = columns - end
  const factors = new Float32Array((end - start) * behind) // (block, behind)
  for (let j = start; j < end; j++) factors.set(upper.subarray(j * columns + end, (j + 1) * columns), (j - start) * behind)
  const update = tf.tidy(() =>
    tf.matMul(tf.tensor2d(factors, [end - start, behind]), tf.tensor2d(errors, [end - start, rows]), true, false),
  ) // (behind, rows)
  const values = await update.data<'float32'>()
  update.dispose()
  const rest = current.subarray(end * rows)
  for (let i = 0; i < rest.length; i++) rest[i] -= values[i]
}

/** (rows, columns) → (columns, rows), in tiles that stay in cache. */
export const transpose = (matrix: Float32Array, rows: number, columns: number): Float32Array => {
  const result = new Float32Array(matrix.length)
  const tile = 32
  for (let r0 = 0; r0 < rows; r0 += tile) {
    for (let c0 = 0; c0 < columns; c0 += tile) {
      for (let r = r0; r < Math.min(r0 + tile, rows); r++) {
        for (let c = c0; c < Math.min(c0 + tile, columns); c++) result[c * rows + r] = matrix[r * columns + c]
      }
    }
  }
  return result
}
