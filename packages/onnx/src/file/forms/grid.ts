import { unpackBits, toFloat32, fromFloat32, sizeOf, decodeF16, encodeF16, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import { affineMatrixOf, zerosOf, type AffineMatrix } from '@tersor/formats/internal/files/affine-matrix'

/** Codes where the mask is 1, the code of zero elsewhere. */
const withMask = (grid: AffineMatrix, mask: Parameter): AffineMatrix | undefined => {
  if (mask.kind !== 'dense') return undefined
  const { rows, columns, group, groups } = grid
  const kept = unpackBits(mask.bytes, 1, sizeOf(mask.shape))
  const zeros = zerosOf(grid)
  const codes = grid.codes.slice()
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      if (kept[row * columns + column] === 0) codes[row * columns + column] = zeros[row * groups + Math.floor(column / group)]
  return { ...grid, codes }
}

/** The grid that a tree stands for: affine, or affine under a mask, whose removed entries get the code of zero. */
export const gridOf = (tree: Encoded): AffineMatrix | undefined => {
  if (tree.codec.name !== 'masked') return affineMatrixOf(tree)
  const { mask, values } = tree.parts
  const grid = values.kind === 'encoded' ? gridOf(values) : undefined
  return grid && withMask(grid, mask)
}

/** The same values in codes of a width that the form has; undefined where it has none so wide. */
export const widened = (grid: AffineMatrix, widths: readonly number[]): AffineMatrix | undefined => {
  const bits = widths.find(width => width >= grid.bits)
  if (bits === undefined) return undefined
  return bits === grid.bits ? grid : { ...grid, bits, zeros: zerosOf(grid) }
}

/** Scales (rows, groups) in the float type of the graph; undefined where a half cannot hold one. */
export const scalesIn = ({ scale }: AffineMatrix, float: 'f32' | 'f16'): Dense | undefined => {
  if (scale.dtype === float) return scale
  const values = toFloat32(scale)
  if (float === 'f16' && !values.every(value => Object.is(decodeF16(encodeF16(value)), value))) return undefined
  return fromFloat32(values, float, scale.shape)
}
