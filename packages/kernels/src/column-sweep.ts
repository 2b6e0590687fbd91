import * as tf from '@tensorflow/tfjs-core'
import { lendArray } from './lend-array.js'
import { tensorOfBlock } from './matrix-block.js'
import { transpose } from './transpose.js'
import { wasmKernels, type WasmKernels } from './wasm.js'

/** The matrix while a sweep goes through a block of it; columns are views that later steps change. */
export interface SweepState {
  readonly rows: number
  readonly columns: number
  /** Current weights of a column of the block or group: compensated for all columns before the block, and for those done within it. */
  column(j: number): Float32Array
  /** Rounds column j to a line for each row: fills codes and what they stand for. */
  round(j: number, lines: ColumnLines, codes: Uint8Array, compressed: Float32Array): void
}

/** What a column is rounded to: value = scale · (code − zero), code 0 … top; scales and zeros: (rows). */
export interface ColumnLines {
  readonly scales: Float32Array
  readonly zeros: Float32Array
  readonly top: number
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
  /** Columns that are finished before the rest of the matrix hears of their errors; by default 128. */
  readonly block?: number
  /** Columns that are compensated for all before them when the first of them is reached: a multiple of the block, by default that. */
  readonly group?: number
  readonly signal?: AbortSignal
}

/**
 * Compresses columns left to right and makes later columns take up each error (optimal brain surgeon):
 * e = (w_j − q_j) / U_jj;  w_k ← w_k − e · U_jk for k > j.
 * Inside a block at once, in WebAssembly; behind it by halves: once the left half of a range of columns is finished, one product
 * on the engine takes its errors over to the right half, so that products are as large as they can be.
 * Returns the compressed matrix, (columns, rows), and Σ e² / 2. Cost: rows · columns² / 2 multiply-adds, block/columns of them on the host.
 */
export const columnSweep = async (input: SweepInput, visitor: ColumnVisitor): Promise<{ compressed: Float32Array; loss: number }> => {
  const { rows, columns, block = 128, group = block, signal } = input
  const kernels = wasmKernels()
  const current = transpose(input.weight, rows, columns) // (columns, rows): weights ahead, errors behind
  const compressed = new Float32Array(rows * columns) // (columns, rows)
  const sweep: Sweep = { ...input, visitor, kernels, current, compressed }
  const go = async (start: number, end: number): Promise<number> => {
    signal?.throwIfAborted()
    if (end - start <= block) return compressBlock(sweep, start, end)
    const unit = end - start > group ? group : block
    const middle = start + unit * Math.ceil((end - start) / unit / 2)
    const loss = await go(start, middle)
    await compensate(sweep, start, middle, end)
    return loss + (await go(middle, end))
  }
  const loss = await go(0, columns)
  return { compressed, loss }
}

interface Sweep extends SweepInput {
  readonly visitor: ColumnVisitor
  readonly kernels: WasmKernels
  readonly current: Float32Array
  readonly compressed: Float32Array
}

/** Goes through the columns of a block and leaves their errors in `current`. */
const compressBlock = ({ rows, columns, upper, visitor, kernels, current, compressed }: Sweep, start: number, end: number): number => {
  const arena = kernels.arena(4 * (end - start + 3) * (rows + 1) + rows + 96)
  const [block, result, factors] = [arena.f32((end - start) * rows), arena.f32(rows), arena.f32(end - start)] // block: (width, rows)
  const [scales, zeros, rounded] = [arena.f32(rows), arena.f32(rows), arena.u8(rows)]
  block.set(current.subarray(start * rows, end * rows))
  const within = (from: Float32Array, j: number): Float32Array => from.subarray(j * rows, (j + 1) * rows)
  const state: SweepState = {
    rows,
    columns,
    column: j => (j < end ? within(block, j - start) : within(current, j)),
    round: (j, lines, codes, compressed) => {
      scales.set(lines.scales)
      zeros.set(lines.zeros)
      const { byteOffset } = within(block, j - start)
      kernels.roundColumn(byteOffset, scales.byteOffset, zeros.byteOffset, lines.top, rows, rounded.byteOffset, result.byteOffset)
      codes.set(rounded)
      if (compressed !== result) compressed.set(result)
    },
  }
  visitor.enter?.(start, end, state)
  let loss = 0
  for (let j = start; j < end; j++) {
    const weights = within(block, j - start)
    visitor.compress(j, weights, result, state)
    compressed.set(result, j * rows)
    factors.set(upper.subarray(j * columns + j + 1, j * columns + end))
    const { byteOffset } = weights
    loss += kernels.sweepColumn(byteOffset, result.byteOffset, upper[j * columns + j], factors.byteOffset, end - j - 1, rows)
  }
  current.set(block, start * rows)
  return loss
}

/** Wᵀ[middle … end] −= U[start … middle, middle … end]ᵀ · E[start … middle]. */
const compensate = async ({ rows, columns, upper, current }: Sweep, start: number, middle: number, end: number): Promise<void> => {
  const ahead = current.subarray(middle * rows, end * rows)
  const update = tf.tidy(() => {
    const block = { values: upper, stride: columns, row: start, column: middle, rows: middle - start, columns: end - middle }
    const errors = lendArray(current.subarray(start * rows, middle * rows), [middle - start, rows])
    return tf.sub(lendArray(ahead, [end - middle, rows]), tf.matMul(tensorOfBlock(block), errors, true, false)) // (end − middle, rows)
  })
  ahead.set(await update.data<'float32'>())
  update.dispose()
}
