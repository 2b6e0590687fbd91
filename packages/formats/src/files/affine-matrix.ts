import { affine } from '@tersor/core/affine'
import {
  codesOf,
  decodeF16,
  DTYPES,
  encodeF16,
  encoded,
  fromFloat32,
  fromIntegers,
  isDense,
  sizeOf,
  toFloat32,
  type Dense,
  type DType,
  type Encoded,
} from '@tersor/tensor'
import { transposed } from './pack-words.js'

/** A linear layer's weight on an affine grid: value = scale · (code − zero), a scale and a zero for each run of `group` columns. */
export interface AffineMatrix {
  readonly rows: number
  readonly columns: number
  readonly bits: number
  readonly group: number
  readonly groups: number
  /** (rows, columns). */
  readonly codes: Uint8Array
  /** (rows, groups), as stored. */
  readonly scale: Dense
  /** (rows, groups); absent on a symmetric grid, where it is 2^(bits − 1). */
  readonly zeros?: Uint8Array
}

/** One value for all rows, repeated for each. */
const forEachRow = <T extends Uint8Array | Float32Array>(values: T, rows: number, groups: number): T => {
  if (values.length === rows * groups) return values
  const result = new (values.constructor as new (length: number) => T)(rows * groups)
  for (let row = 0; row < rows; row++) result.set(values, row * groups)
  return result
}

/** Reads an affine tree of two axes; undefined for any other tree, and for zeros that are no codes. */
export const affineMatrixOf = ({ codec, shape, parts, attrs }: Encoded): AffineMatrix | undefined => {
  const { data, scale, zero } = parts
  if (codec.name !== 'affine' || shape.length !== 2 || !isDense(data) || !isDense(scale) || (zero && !isDense(zero))) return undefined
  if (isDense(zero) && DTYPES[zero.dtype].kind === 'float') return undefined
  const [rows, columns] = shape
  const group = Math.min(attrs.group as number, columns)
  const groups = Math.ceil(columns / group)
  const spread =
    sizeOf(scale.shape) === rows * groups ? scale : fromFloat32(forEachRow(toFloat32(scale), rows, groups), scale.dtype, [rows, groups])
  return {
    ...{ rows, columns, group, groups, bits: attrs.bits as number },
    ...{ codes: codesOf(data), scale: spread },
    ...(zero ? { zeros: forEachRow(codesOf(zero as Dense), rows, groups) } : {}),
  }
}

/** What keeps a tree from being a matrix of codes, in the words of a refusal. */
export const whyNoMatrix = ({ codec, parts: { scale, zero } }: Encoded): string => {
  if (codec.name === 'affine' && !isDense(scale)) return 'has scales that are codes themselves'
  return codec.name === 'affine' && isDense(zero) && DTYPES[zero.dtype].kind === 'float'
    ? 'has zeros between codes'
    : `is ${codec.name}, not a grid of codes over two axes`
}

const isHalf = (value: number): boolean => Object.is(decodeF16(encodeF16(value)), value)

/** The tree of a matrix; zeros that are all 2^(bits − 1) are left out, and scales are halves where these hold them exactly. */
export const treeOf = ({ rows, columns, bits, group, groups, codes, scale, zeros }: AffineMatrix): Encoded => {
  const middle = 2 ** (bits - 1)
  const scales = toFloat32(scale)
  const parts = {
    data: fromIntegers(codes, `u${bits}` as DType, [rows, columns]),
    scale: fromFloat32(scales, scales.every(isHalf) ? 'f16' : 'f32', [rows, groups]),
    ...(zeros?.some(zero => zero !== middle) ? { zero: fromIntegers(zeros, `u${bits}` as DType, [rows, groups]) } : {}),
  }
  return encoded(affine, [rows, columns], parts, { bits, group })
}

/** Zeros of a matrix, those of a symmetric grid written out; (rows, groups). */
export const zerosOf = ({ zeros, bits, rows, groups }: AffineMatrix): Uint8Array =>
  zeros ?? new Uint8Array(rows * groups).fill(2 ** (bits - 1))

/** Scales as f16 (groups, rows), or undefined where a half cannot hold one. */
export const halfScales = ({ scale, rows, groups }: AffineMatrix): Dense | undefined => {
  const values = toFloat32(scale)
  if (!values.every(isHalf)) return undefined
  return fromFloat32(transposed(values, rows, groups), 'f16', [groups, rows])
}
