import { packBits, unpackBits } from '@tersor/tensor'

/** A matrix on a regular grid: value = scale · (code − zero), one scale for each run of `group` columns. */
export interface PackedMatrix {
  readonly rows: number
  readonly columns: number
  /** 1-8. */
  readonly bits: number
  /** The last run of a row may be shorter. */
  readonly group: number
  /** One little-endian stream of bits, row after row. */
  readonly codes: Uint8Array
  /** (rows, groups) */
  readonly scales: Float32Array
  /** (rows, groups), one a byte; 2^(bits − 1) where absent. */
  readonly zeros?: Uint8Array
}

/** The same in blocks that packed products take, rows padded to whole blocks. */
export interface BlockMatrix {
  readonly rows: number
  readonly columns: number
  /** Blocks of a row. */
  readonly blocks: number
  /** Columns of a block, a power of two from 16 to 256. */
  readonly block: number
  readonly bits: 2 | 4 | 8
  /** (rows, blocks, block · bits / 8), low bits first. */
  readonly codes: Uint8Array
  /** (rows, blocks) */
  readonly scales: Float32Array
  /** (rows, blocks), one a byte; 2^(bits − 1) where absent. */
  readonly zeros?: Uint8Array
}

const SMALLEST_BLOCK = 16
const LARGEST_BLOCK = 256
/** Of rows with one scale, whatever their length. */
const FREE_BLOCK = 32

const widthOf = (bits: number): 2 | 4 | 8 => (bits <= 2 ? 2 : bits <= 4 ? 4 : 8)

/** The largest block that lies within groups; undefined where that is too small. */
const blockOf = (group: number, columns: number): number | undefined => {
  if (group >= columns) return FREE_BLOCK
  const block = Math.min(group & -group, LARGEST_BLOCK)
  return block >= SMALLEST_BLOCK ? block : undefined
}

/** Codes moved by `shift`, in `width` bits, each row padded to whole blocks. */
const repack = (matrix: PackedMatrix, width: number, shift: number, padded: number): Uint8Array => {
  const { rows, columns, bits, codes } = matrix
  const narrow = unpackBits(codes, bits, rows * columns)
  const wide = new Uint8Array(rows * padded)
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) wide[row * padded + column] = narrow[row * columns + column] + shift
  return packBits(wide, width)
}

/** What each group has, for each of its blocks. */
const spread = <T extends Float32Array | Uint8Array>(from: T, to: T, { rows, columns, group }: PackedMatrix, block: number): T => {
  const [groups, blocks] = [Math.ceil(columns / group), Math.ceil(columns / block)]
  for (let row = 0; row < rows; row++)
    for (let b = 0; b < blocks; b++) to[row * blocks + b] = from[row * groups + Math.floor((b * block) / group)]
  return to
}

/**
 * Lays a packed matrix out in blocks, nothing lost: codes of 1, 3 and 5-7 bits widen to the next of 2, 4 and 8. Codes that stand right
 * are shared, not copied. Undefined where groups hold no whole blocks of 16 columns.
 */
export const blockMatrix = (matrix: PackedMatrix): BlockMatrix | undefined => {
  const { rows, columns, bits, group, codes, scales, zeros } = matrix
  const block = blockOf(group, columns)
  if (block === undefined) return undefined
  const width = widthOf(bits)
  const blocks = Math.ceil(columns / block)
  const shift = zeros ? 0 : 2 ** (width - 1) - 2 ** (bits - 1)
  const stands = bits === width && columns % block === 0
  const alike = group === block
  return {
    ...{ rows, columns, blocks, block, bits: width },
    codes: stands ? codes : repack(matrix, width, shift, blocks * block),
    scales: alike ? scales : spread(scales, new Float32Array(rows * blocks), matrix, block),
    ...(zeros && { zeros: alike ? zeros : spread(zeros, new Uint8Array(rows * blocks), matrix, block) }),
  }
}
