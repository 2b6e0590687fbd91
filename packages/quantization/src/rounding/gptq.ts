import {
  affineOnLines,
  boolean,
  defineMethod,
  integer,
  linesBetween,
  linesOf,
  positive,
  type Grid,
  type Job,
  type Lines,
  type ScaleDType,
} from '@tersor/core'
import { columnSweep, gram, hessianFactor, transpose, type ColumnVisitor, type SweepState } from '@tersor/kernels'
import { checkGrid, gridOf, gridOptions } from './grid.js'

/**
 * GPTQ: rounds column by column and lets the columns behind make up for each error.
 * H = XᵀX + damping · mean(diag) · I, H⁻¹ = UᵀU; q_j = round(w_j), then the sweep of `columnSweep`.
 * W: (out, in), X: (tokens, in). Removed weights of an earlier mask stay exactly zero. Throws BAD_OPTION, NO_CALIBRATION.
 * Columns that no input reached are rounded to nearest, and so is a whole layer of them, such as an expert that was never chosen.
 * Frantar et al. 2022, https://arxiv.org/abs/2210.17323
 */
export const gptq = defineMethod({
  name: 'gptq',
  summary: 'rounds column by column and lets later columns make up for it',
  paper: {
    title: 'GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers',
    authors: 'Frantar et al.',
    year: 2022,
    url: 'https://arxiv.org/abs/2210.17323',
  },
  differs:
    'columns without inputs keep their weights, where the authors’ code zeroes them; a group’s grid is taken from the weights as compensated up to its first column, also inside a block',
  options: {
    ...gridOptions,
    damping: positive({ default: 0.01, doc: 'part of the mean diagonal of H that is added to it' }),
    block: integer({ min: 1, default: 128, doc: 'columns that are finished before the rest hears of their errors' }),
    actOrder: boolean({ default: false, doc: 'whether columns with the largest inputs go first' }),
    staticGroups: boolean({ default: false, doc: 'whether grids are taken from the weights as they were; actOrder implies it' }),
  },
  check: checkGrid,
  calibrate: gram,
  apply: async (weight, job, options) => {
    const [rows, columns] = weight.shape
    const grid = gridOf(options, columns, job.site)
    warnOfFewTokens(job, columns)
    const values = await weight.data<'float32'>()
    const mask = await job.mask?.data()
    const { upper, order } = await hessianFactor(job.stats, options.damping, { byInput: options.actOrder })
    const codes = new Uint8Array(columns * rows) // (in, out): a column is written at once
    const fixed = options.staticGroups || options.actOrder || grid.joint || grid.group === columns
    const lines = await linesOf(values, columns, grid, { signal: job.signal }) // their scales' dtype stays, also where they do not
    const visitor = rounding({ codes, lines, grid, columns, order, mask, fixed })
    const block = alignedBlock(options.block, grid.group)
    const input = {
      weight: order ? permuteColumns(values, rows, order) : values,
      rows,
      columns,
      upper,
      block,
      group: fixed ? block : Math.max(block, grid.group),
      signal: job.signal,
    }
    await columnSweep(input, visitor)
    return affineOnLines(transpose(codes, columns, rows), lines, [rows, columns], grid)
  },
})

/** The largest block that no group straddles: its weights would be compensated for only a part of what came before. */
const alignedBlock = (block: number, group: number): number => {
  if (group <= block) return Math.floor(block / group) * group
  let aligned = block
  while (group % aligned !== 0) aligned--
  return aligned
}

const warnOfFewTokens = ({ samples, warn }: Job<any>, columns: number): void => {
  if (samples === 0 || samples >= columns) return // of none, the run has told already
  warn('fewer calibration tokens than columns: rounding to nearest would do better. Give at least 4 a column, or use rtn.')
}

interface Rounding {
  readonly codes: Uint8Array
  /** Filled in as the sweep comes by, unless `fixed`. */
  readonly lines: Lines
  readonly grid: Grid
  readonly columns: number
  /** Where each column of the sweep stands in the weight. */
  readonly order: Uint32Array | undefined
  readonly mask: ArrayLike<number> | undefined
  /** Whether the lines stay as they were before the sweep. */
  readonly fixed: boolean
}

const rounding = ({ codes, lines, grid, columns, order, mask, fixed }: Rounding): ColumnVisitor => {
  const groups = Math.ceil(columns / grid.group)
  const top = 2 ** grid.bits - 1
  let [scales, zeros, loaded] = [new Float32Array(0), new Float32Array(0), -1] // of the group that was loaded last, (rows)
  const load = (group: number, rows: number): void => {
    const place = (r: number): number => (grid.joint ? group : r * groups + group)
    scales = Float32Array.from({ length: rows }, (_, r) => lines.scales[place(r)])
    zeros = Float32Array.from({ length: rows }, (_, r) => lines.zeros[place(r)])
    loaded = group
  }
  return {
    compress: (j, weights, compressed, state) => {
      const rows = weights.length
      const place = order ? order[j] : j
      const group = Math.floor(place / grid.group)
      if (!fixed && j % grid.group === 0) {
        const found = currentLines(state, j, Math.min(j + grid.group, columns), grid, lines.scaleDType)
        for (let r = 0, at = group; r < rows; r++, at += groups) {
          lines.scales[at] = found.scales[r]
          lines.zeros[at] = found.zeros[r]
        }
      }
      if (loaded !== group) load(group, rows)
      const column = codes.subarray(place * rows, (place + 1) * rows)
      state.round(j, { scales, zeros, top }, column, compressed)
      for (let r = 0; mask !== undefined && r < rows; r++) {
        if (mask[r * columns + place]) continue
        column[r] = zeros[r]
        compressed[r] = 0
      }
    },
  }
}

/** The line of each row through its current weights in columns start … end−1. */
const currentLines = ({ rows, column }: SweepState, start: number, end: number, grid: Grid, dtype: ScaleDType): Lines => {
  const low = new Float32Array(rows).fill(Infinity)
  const high = new Float32Array(rows).fill(-Infinity)
  for (let j = start; j < end; j++) {
    const weights = column(j)
    for (let r = 0; r < rows; r++) {
      if (weights[r] < low[r]) low[r] = weights[r]
      if (weights[r] > high[r]) high[r] = weights[r]
    }
  }
  return linesBetween(low, high, grid, dtype)
}

const permuteColumns = (values: Float32Array, rows: number, order: Uint32Array): Float32Array => {
  const columns = order.length
  const result = new Float32Array(values.length)
  for (let r = 0; r < rows; r++) for (let j = 0; j < columns; j++) result[r * columns + j] = values[r * columns + order[j]]
  return result
}
