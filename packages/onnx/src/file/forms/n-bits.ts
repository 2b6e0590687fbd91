import { dense, DTYPES, packBits, type Dense } from '@tersor/tensor'
import type { AffineMatrix } from '@tersor/formats/internal/files/affine-matrix'
import { MICROSOFT } from '../build.js'
import { scalesIn, widened } from './grid.js'
import type { Store } from './stored.js'

const WIDTHS: readonly number[] = [2, 4, 8]
/** Columns that share a scale: powers of two, as ONNX Runtime's kernels have them. */
const [SMALLEST, LARGEST] = [16, 256]
/** Of rows with one scale. */
const ROW_BLOCK = 128

const STEP = 'Quantize it by gptq or rtn with a group that is a multiple of 16, or by rows.'

/** The largest block of which each lies within one group; undefined where even the smallest does not. */
export const blockOf = ({ group, groups, columns }: AffineMatrix): number | undefined => {
  const fits = (block: number): boolean => (groups === 1 ? block <= Math.max(SMALLEST, Math.min(columns, ROW_BLOCK)) : group % block === 0)
  for (let block = LARGEST; block >= SMALLEST; block /= 2) if (fits(block)) return block
  return undefined
}

/** Each row's groups as blocks: (rows, groups) → (rows, blocks). */
const byBlock = <T extends Uint8Array>(values: T, { rows, group, groups }: AffineMatrix, block: number, blocks: number, size = 1): T => {
  const result = new (values.constructor as new (length: number) => T)(rows * blocks * size)
  for (let row = 0; row < rows; row++)
    for (let b = 0; b < blocks; b++) {
      const from = (row * groups + Math.min(groups - 1, Math.floor((b * block) / group))) * size
      result.set(values.subarray(from, from + size) as never, (row * blocks + b) * size)
    }
  return result
}

/** Codes of each row side by side, padded to whole bytes or blocks: (rows, from) → packed (rows, bytes). */
const packRows = (codes: Uint8Array, rows: number, from: number, to: number, bits: number): Uint8Array => {
  const bytes = Math.ceil((to * bits) / 8)
  const packed = new Uint8Array(rows * bytes)
  for (let row = 0; row < rows; row++) packed.set(packBits(codes.subarray(row * from, (row + 1) * from), bits), row * bytes)
  return packed
}

const scaleBlocks = (scale: Dense, grid: AffineMatrix, block: number, blocks: number): Dense => {
  const bytes = byBlock(scale.bytes, grid, block, blocks, DTYPES[scale.dtype].bits / 8)
  return dense(scale.dtype, [grid.rows, blocks], bytes)
}

/**
 * com.microsoft.MatMulNBits: B (out, ⌈in/block⌉, block · bits / 8), codes ascending from the low bits; scales (out, ⌈in/block⌉);
 * zero_points (out, ⌈⌈in/block⌉ · bits / 8⌉), left out where they are 2^(bits−1).
 */
export const storeNBits: Store<AffineMatrix> = async (matrix, { name }, target) => {
  const grid = widened(matrix, WIDTHS)!
  const block = blockOf(grid)
  if (block === undefined) return { reason: `has groups of ${grid.group}`, step: STEP }
  const scale = scalesIn(grid, target.float)
  if (!scale) return { reason: 'has scales that no half-precision number holds', step: 'Write it with floats of 32 bits.' }
  const { rows, columns, bits, codes, zeros } = grid
  const blocks = Math.ceil(columns / block)
  const data = packRows(codes, rows, columns, blocks * block, bits)
  const zeroPoints = zeros && packRows(byBlock(zeros, grid, block, blocks), rows, blocks, blocks, bits)
  const inputs = [
    await target.write(`${name}_Q${bits}`, dense('u8', [rows, blocks, (block * bits) / 8], data)),
    await target.write(`${name}_scales`, scaleBlocks(scale, grid, block, blocks)),
    ...(zeroPoints ? [await target.write(`${name}_zero_points`, dense('u8', [rows, zeroPoints.length / rows], zeroPoints))] : []),
  ]
  const attributes = { ...target.attributes, K: columns, N: rows, bits, block_size: block }
  return { bits, product: (graph, x) => graph.op('MatMulNBits', [x, ...inputs], { attributes, domain: MICROSOFT }) }
}
