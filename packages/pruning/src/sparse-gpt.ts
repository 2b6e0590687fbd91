import { defineMethod, maskedOf, positive } from '@tersor/core'
import { columnSweep, gram, hessianFactor, transpose, type ColumnVisitor } from '@tersor/kernels'
import { fromFloat32 } from '@tersor/tensor'
import { removalOptions } from './define-score.js'
import { keepLargest, parsePattern, type Removal } from './patterns.js'

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
    const kept = new Uint8Array(rows * columns) // (out, in)
    const visitor = choosing(kept, upper, columns, { sparsity, pattern, within: 'layer' })
    const swept = await columnSweep({ weight: values, rows, columns, upper, block: blockFor(pattern), signal: job.signal }, visitor)
    return maskedOf(kept, fromFloat32(transpose(swept.compressed, columns, rows), job.dtype, [rows, columns]))
  },
})

/** Runs of M must not be cut by a block's end. */
const blockFor = (pattern: Removal['pattern']): number => {
  const m = pattern ? parsePattern(pattern)[1] : 1
  return Math.max(1, Math.floor(BLOCK / m)) * m
}

/** Chooses the mask when a block, or a run of M columns, is reached; fills `kept` and zeroes what goes. */
const choosing = (kept: Uint8Array, upper: Float32Array, columns: number, removal: Removal): ColumnVisitor => {
  const run = removal.pattern ? parsePattern(removal.pattern)[1] : Infinity
  let chosen: Uint8Array = new Uint8Array(0) // of the run that was reached last, (rows, width)
  let [first, width] = [0, 0]
  const choose = (start: number, end: number, rows: number, column: (j: number) => Float32Array): void => {
    first = start
    width = end - start
    const scores = new Float32Array(rows * width)
    for (let j = start; j < end; j++) {
      const weights = column(j)
      const diagonal = upper[j * columns + j]
      for (let r = 0; r < rows; r++) {
        const score = weights[r] / diagonal
        scores[r * width + j - start] = score * score
      }
    }
    chosen = keepLargest(scores, width, removal)
    for (let r = 0; r < rows; r++) kept.set(chosen.subarray(r * width, (r + 1) * width), r * columns + start)
  }
  return {
    enter: (start, end, state) => {
      if (run === Infinity) choose(start, end, state.rows, state.column)
    },
    compress: (j, weights, compressed, state) => {
      if (run !== Infinity && j % run === 0) choose(j, Math.min(j + run, columns), state.rows, state.column)
      for (let r = 0, at = j - first; r < weights.length; r++, at += width) compressed[r] = chosen[at] ? weights[r] : 0
    },
  }
}
