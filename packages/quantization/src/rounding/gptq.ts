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
import {
  columnSweep,
  gram,
  hessianFactor,
  rangesOfColumns,
  roomForCodes,
  shareNumbers,
  transpose,
  type NextStep,
  type SweepState,
} from '@tersor/kernels'
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
    const values = shareNumbers(await weight.data<'float32'>())
    const given = await job.mask?.data()
    const { upper, order } = await hessianFactor(job.stats, options.damping, { byInput: options.actOrder })
    const inOrder = <T extends Float32Array | Uint8Array>(matrix: T): T => (order ? permuteColumns(matrix, rows, order) : matrix)
    const codes = roomForCodes(rows * columns)
    const fixed = options.staticGroups || options.actOrder || grid.joint || grid.group === columns
    const begun = await linesOf(values, columns, grid, { signal: job.signal }) // their scales' dtype stays, also where they do not
    const lines = byGroup(begun, rows, columns, grid)
    const mask = given && inOrder(Uint8Array.from(given))
    const block = alignedBlock(options.block, grid.group)
    const input = {
      weight: inOrder(values),
      rows,
      columns,
      upper,
      block,
      group: fixed ? block : Math.max(block, grid.group),
      signal: job.signal,
    }
    await columnSweep(input, rounding({ codes, lines, scaleDType: begun.scaleDType, grid, order, mask, fixed, signal: job.signal }))
    const found = fixed ? begun : { ...begun, ...byRow(lines, rows) }
    return affineOnLines(order ? permuteColumns(codes, rows, inverseOf(order)) : codes, found, [rows, columns], grid)
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

/** Scales and zeros of all groups, (groups, rows). */
type GroupLines = Pick<Lines, 'scales' | 'zeros'>

/** Lines as a sweep goes through them; one that all rows share is told to each. */
const byGroup = ({ scales, zeros }: Lines, rows: number, columns: number, { group, joint }: Grid): GroupLines => {
  const groups = Math.ceil(columns / group)
  const told = (of: Float32Array): Float32Array => (joint ? new Float32Array(groups * rows).fill(of[0]) : transpose(of, rows, groups))
  return { scales: told(scales), zeros: told(zeros) }
}

/** And as they are stored, (rows, groups). */
const byRow = ({ scales, zeros }: GroupLines, rows: number): GroupLines => {
  const groups = scales.length / rows
  return { scales: transpose(scales, groups, rows), zeros: transpose(zeros, groups, rows) }
}

interface Rounding {
  /** (rows, columns), in the order of the sweep. */
  readonly codes: Uint8Array
  /** Filled in as the sweep comes by, unless `fixed`. */
  readonly lines: GroupLines
  readonly scaleDType: ScaleDType
  readonly grid: Grid
  /** Where each column of the sweep stands in the weight. */
  readonly order: Uint32Array | undefined
  /** 0 where a weight is removed, (rows, columns) in the order of the sweep. */
  readonly mask: Uint8Array | undefined
  /** Whether the lines stay as they were before the sweep. */
  readonly fixed: boolean
  readonly signal: AbortSignal
}

/** Rounds the columns of one group at once; in an order of their own those of a block, each to the line of its group. */
const rounding = ({ codes, lines, scaleDType, grid, order, mask, fixed, signal }: Rounding): NextStep => {
  const groupOf = (column: number): number => Math.floor((order ? order[column] : column) / grid.group)
  return async (start, blockEnd, state) => {
    const { rows, columns } = state
    const group = groupOf(start)
    if (!fixed && start % grid.group === 0) {
      const found = await currentLines(state, start, Math.min(start + grid.group, columns), grid, scaleDType, signal)
      lines.scales.set(found.scales, group * rows)
      lines.zeros.set(found.zeros, group * rows)
    }
    const end = order ? blockEnd : Math.min(blockEnd, (group + 1) * grid.group)
    const width = end - start
    // without an order one group is all that a step sees
    const seen = order ? { lines: Math.ceil(columns / grid.group), stride: rows } : { lines: 1, stride: rows, offset: group * rows }
    const inMatrix = { each: width, stride: columns, offset: start }
    return {
      end,
      kernel: 'roundColumns',
      buffers: {
        scales: { role: 'in', array: lines.scales, ...seen },
        zeros: { role: 'in', array: lines.zeros, ...seen },
        groups: { role: 'whole', array: Int32Array.from({ length: width }, (_, i) => (order ? groupOf(start + i) : 0)) },
        codes: { role: 'out', array: codes, ...inMatrix },
        ...(mask ? { mask: { role: 'in', array: mask, ...inMatrix } as const } : {}),
      },
      args: [{ at: 'scales' }, { at: 'zeros' }, { at: 'groups' }, 2 ** grid.bits - 1, mask ? { at: 'mask' } : 0, { at: 'codes' }],
    }
  }
}

/** The line of each row through its current weights in columns start … end−1. */
const currentLines = async (
  { rows, strip }: SweepState,
  start: number,
  end: number,
  grid: Grid,
  dtype: ScaleDType,
  signal: AbortSignal,
): Promise<Lines> => {
  const { low, high } = await rangesOfColumns(strip('in', start, end), rows, end - start, { signal })
  return linesBetween(low, high, grid, dtype)
}

const permuteColumns = <T extends Float32Array | Uint8Array>(values: T, rows: number, order: Uint32Array): T => {
  const columns = order.length
  const result = new (values.constructor as new (length: number) => T)(values.length)
  for (let r = 0; r < rows; r++) for (let j = 0; j < columns; j++) result[r * columns + j] = values[r * columns + order[j]]
  return result
}

const inverseOf = (order: Uint32Array): Uint32Array => {
  const inverse = new Uint32Array(order.length)
  order.forEach((place, j) => (inverse[place] = j))
  return inverse
}
