import * as tf from '@tensorflow/tfjs-core'
import { lendArray } from './lend-array.js'
import { copyOfBlock, tensorOfBlock } from './matrix-block.js'
import { roomForThreads, runRows, shareNumbers, type RowArgument, type RowBuffer, type RowJob, type RunRowsOptions } from './pool.js'

/** The matrix while a sweep goes through it. */
export interface SweepState {
  readonly rows: number
  readonly columns: number
  /** Current weights of columns start … end−1 for a job that is cut into rows: compensated for all columns before their block or group, and for those done within it. */
  strip(role: 'in' | 'both', start: number, end: number): RowBuffer
}

/** What becomes of the next columns, all at once: a kernel that leaves their errors in their place and lets those behind take them up. */
export interface SweepStep {
  /** The first column that it leaves. */
  readonly end: number
  /** Called with the columns, how many rows they have here, how many columns there are to the block's end, how many are this step's, their rows of U, and `args`. */
  readonly kernel: 'roundColumns' | 'removeColumns'
  readonly buffers: RowJob['buffers']
  readonly args: readonly RowArgument[]
}

/** Says what becomes of columns from `start` on, at most up to the end of their block. */
export type NextStep = (start: number, blockEnd: number, state: SweepState) => SweepStep | Promise<SweepStep>

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
 * Inside a block at once, by kernels on all threads, each with rows of its own; behind it by halves: once the left half of a range of columns
 * is finished, one product on the engine takes its errors over to the right half, so that products are as large as they can be.
 * Cost: rows · columns² / 2 multiply-adds, block/columns of them in kernels.
 */
export const columnSweep = async (input: SweepInput, next: NextStep): Promise<void> => {
  const { weight, rows, columns, block = 128, group = block, signal } = input
  const current = new Float32Array(weight.length)
  await transposeInto(current, weight, rows, columns, signal)
  const sweep: Sweep = { ...input, next, current, room: new Float32Array(roomForThreads(4 * rows * Math.min(block, columns))) }
  const go = async (start: number, end: number): Promise<void> => {
    signal?.throwIfAborted()
    if (end - start <= block) return compressBlock(sweep, start, end)
    const unit = end - start > group ? group : block
    const middle = start + unit * Math.ceil((end - start) / unit / 2)
    await go(start, middle)
    await compensate(sweep, start, middle, end)
    await go(middle, end)
  }
  await go(0, columns)
}

interface Sweep extends SweepInput {
  readonly next: NextStep
  /** (columns, rows): weights ahead, errors behind. */
  readonly current: Float32Array
  /** For the columns of a block, where all threads see them. */
  readonly room: Float32Array
}

/** Values that a thread has before it at once: few enough that they stay in a core's own caches. */
const VALUES_AT_ONCE = 2 ** 16

/** A job on columns, cut into rows. */
const columnJob = (rows: number, width: number, buffers: RowJob['buffers'], call: RowJob['calls'][number]): RowJob => ({
  ...{ rows, buffers, calls: [call] },
  atOnce: Math.max(16, Math.floor(VALUES_AT_ONCE / width)),
})

/** Goes through the columns of a block and leaves their errors in `current`. */
const compressBlock = async (sweep: Sweep, start: number, end: number): Promise<void> => {
  const { rows, columns, upper, next, current, room, signal } = sweep
  const from = (column: number): number => column * rows
  room.set(current.subarray(from(start), from(end)))
  const state: SweepState = {
    ...{ rows, columns },
    strip: (role, first, last) => {
      const lines = { role, lines: last - first, stride: rows }
      if (last <= end) return { ...lines, array: room, offset: from(first - start) }
      return { ...lines, array: shareNumbers(current.subarray(from(first), from(last))) } // of a group that goes on behind its first block
    },
  }
  for (let at = start; at < end;) {
    const step = await next(at, end, state)
    const [total, width] = [end - at, step.end - at]
    const factors = copyOfBlock({ values: upper, stride: columns, row: at, column: at, rows: width, columns: total })
    const buffers = { w: state.strip('both', at, end), factors: { role: 'whole', array: factors }, ...step.buffers } as const
    const call = [step.kernel, { at: 'w' }, 'rows', total, width, { at: 'factors' }, ...step.args] as const
    await runRows(columnJob(rows, total, buffers, call), { signal })
    at = step.end
  }
  current.set(room.subarray(0, from(end - start)), from(start))
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

/** Values of a strip that is turned at once. */
const TURNED_AT_ONCE = 2 ** 20

/** (rows, columns) → (columns, rows), on all threads. */
const transposeInto = (to: Float32Array, from: Float32Array, rows: number, columns: number, signal?: AbortSignal): Promise<void> => {
  const buffers = {
    from: { role: 'in', array: from, lines: rows, stride: columns },
    to: { role: 'out', array: to, each: rows },
  } as const
  const call = ['transposeLines', { at: 'from' }, rows, 'rows', { at: 'to' }] as const
  return runRows({ rows: columns, atOnce: Math.max(16, Math.floor(TURNED_AT_ONCE / rows)), buffers, calls: [call] }, { signal })
}

/** The least and the largest of each row of a strip of `width` columns, (rows). */
export const rangesOfColumns = async (
  w: RowBuffer,
  rows: number,
  width: number,
  options?: RunRowsOptions,
): Promise<{ readonly low: Float32Array; readonly high: Float32Array }> => {
  const [low, high] = [new Float32Array(rows), new Float32Array(rows)]
  const buffers = { w, low: { role: 'out', array: low, each: 1 }, high: { role: 'out', array: high, each: 1 } } as const
  await runRows(columnJob(rows, width, buffers, ['rangesOfRows', { at: 'w' }, 'rows', width, { at: 'low' }, { at: 'high' }]), options)
  return { low, high }
}

/** (w / u_jj)² of a strip, (rows, width); diagonal: (width). */
export const scoresOfColumns = async (
  w: RowBuffer,
  rows: number,
  diagonal: Float32Array,
  options?: RunRowsOptions,
): Promise<Float32Array> => {
  const width = diagonal.length
  const scores = new Float32Array(roomForThreads(4 * rows * width))
  const buffers = { w, diagonal: { role: 'whole', array: diagonal }, scores: { role: 'out', array: scores, each: width } } as const
  await runRows(
    columnJob(rows, width, buffers, ['scoresOfColumns', { at: 'w' }, 'rows', width, { at: 'diagonal' }, { at: 'scores' }]),
    options,
  )
  return scores
}
