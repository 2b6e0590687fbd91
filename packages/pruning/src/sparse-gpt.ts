import { defineMethod, maskedOf, positive } from '@tersor/core'
import { columnSweep, gram, hessianFactor, roomForCodes, roomForThreads, scoresOfColumns, type NextStep } from '@tersor/kernels'
import { fromFloat32 } from '@tersor/tensor'
import { removalOptions } from './define-score.js'
import { keepLargestOnThreads, parsePattern, type Removal } from './patterns.js'

const BLOCK = 128

/**
 * SparseGPT: removes weights column by column and lets the columns behind make up for each.
 * H = XᵀX + damping · mean(diag) · I, H⁻¹ = UᵀU; score = w² / U_jj² per block of 128 columns (N:M: per run of M);
 * then the sweep of `columnSweep`. W: (out, in), X: (tokens, in). Throws BAD_OPTION, NO_CALIBRATION.
 * Frantar and Alistarh 2023, https://arxiv.org/abs/2301.00774
 */
export const sparseGpt = defineMethod({
  name: 'sparse-gpt',
  summary: 'prunes column by column and lets later columns make up for it',
  paper: {
    title: 'SparseGPT: Massive Language Models Can Be Accurately Pruned in One-Shot',
    authors: 'Frantar and Alistarh',
    year: 2023,
    url: 'https://arxiv.org/abs/2301.00774',
  },
  differs: 'columns that no input reached count as reached by usual ones, where the authors’ code zeroes them',
  options: {
    ...removalOptions,
    damping: positive({ default: 0.01, doc: 'part of the mean diagonal of H that is added to it' }),
  },
  calibrate: gram,
  apply: async (weight, job, { sparsity, pattern, damping }) => {
    const [rows, columns] = weight.shape
    const { upper } = await hessianFactor(job.stats, damping)
    const values = await weight.data<'float32'>()
    const [kept, result] = [roomForCodes(rows * columns), new Float32Array(roomForThreads(4 * rows * columns))] // (out, in)
    const { signal } = job
    const next = removing({ kept, result, upper, removal: { sparsity, pattern, within: 'layer' }, signal })
    await columnSweep({ weight: values, rows, columns, upper, block: blockFor(pattern), signal }, next)
    return maskedOf(kept, fromFloat32(result, job.dtype, [rows, columns]))
  },
})

/** Runs of M must not be cut by a block's end. */
const blockFor = (pattern: Removal['pattern']): number => {
  const m = pattern ? parsePattern(pattern)[1] : 1
  return Math.max(1, Math.floor(BLOCK / m)) * m
}

interface Removing {
  /** Filled, (rows, columns): 1 where a weight stays. */
  readonly kept: Uint8Array
  /** Filled, (rows, columns): what is left, compensated. */
  readonly result: Float32Array
  readonly upper: Float32Array
  readonly removal: Removal
  readonly signal: AbortSignal
}

/** Removes in a whole block at once: N of M by the kernel as it comes by, else those of the block with the least w² / U_jj². */
const removing =
  ({ kept, result, upper, removal, signal }: Removing): NextStep =>
  async (start, end, { rows, columns, strip }) => {
    const width = end - start
    const inMatrix = { each: width, stride: columns, offset: start }
    const buffers = { kept: { role: 'out', array: kept, ...inMatrix }, values: { role: 'out', array: result, ...inMatrix } } as const
    const results = [{ at: 'kept' }, { at: 'values' }] as const
    if (removal.pattern) {
      const [n, m] = parsePattern(removal.pattern)
      return { end, kernel: 'removeColumns', buffers, args: [0, m, n, ...results] }
    }
    const diagonal = Float32Array.from({ length: width }, (_, i) => upper[(start + i) * (columns + 1)])
    const scores = await scoresOfColumns(strip('in', start, end), rows, diagonal, { signal })
    const chosen = { role: 'in', array: await keepLargestOnThreads(scores, width, removal, { signal }), each: width } as const
    return { end, kernel: 'removeColumns', buffers: { ...buffers, chosen }, args: [{ at: 'chosen' }, 0, 0, ...results] }
  }
