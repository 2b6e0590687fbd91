import * as tf from '@tensorflow/tfjs-core'
import {
  CompressionError,
  decodeF16,
  dense,
  encodeF16,
  encoded,
  fromFloat32,
  fromIntegers,
  type Codec,
  type Dense,
  type DType,
  type Encoded,
  type Parameter,
} from '@tersor/tensor'
import { codesAre, firstOf, floatsAre, partsAre, runsAre, shapeIs, sizeIs, wholeIs, type Finding } from './checks.js'
import { forGroups, inGroups, matrixShape, positionsOver } from './groups.js'

const zerosAre = (zero: Parameter, bits: number): Finding =>
  zero.kind === 'dense' && zero.dtype === 'f16' ? undefined : codesAre('zero', zero, [bits])

/** The runs of columns that stay; undefined where one is not whole or leaves another place than the last to a shorter one. */
const keptRuns = (kept: Int32Array, columns: number, group: number): Int32Array | undefined => {
  const runs: number[] = []
  for (let at = 0; at < kept.length; at += Math.min(group, columns - kept[at])) {
    const width = Math.min(group, columns - kept[at])
    const isWhole = kept[at] % group === 0 && kept.subarray(at, at + width).every((column, i) => column === kept[at] + i)
    if (!isWhole || at + width > kept.length || (width < group && at + width < kept.length)) return undefined
    runs.push(kept[at] / group)
  }
  return Int32Array.from(runs)
}

/** Rows of codes go with their scales; columns in whole runs alone, unless one scale serves the row. */
const cutAffine: NonNullable<Codec['cut']> = ({ parts, attrs, shape }, axis, kept, take) => {
  const { data, scale, zero } = parts
  const group = attrs.group as number
  const isRow = axis < shape.length - 1
  const columns = shape[shape.length - 1]
  const runs = isRow || group >= columns ? undefined : keptRuns(kept, columns, group)
  if (!isRow && group < columns && !runs) return `${group} columns share a scale, and not all of them stay or go`
  const rows = isRow && scale.shape[0] > 1 ? positionsOver(shape.slice(0, -1), axis, kept) : undefined
  const along = (part: Parameter): Parameter => (rows ? take(part, 0, rows) : runs ? take(part, 1, runs) : part)
  const codes = dense((data as Dense).dtype, shape, (data as Dense).bytes)
  const cut = shape.map((extent, at) => (at === axis ? kept.length : extent))
  const scales = { scale: along(scale), ...(zero ? { zero: along(zero) } : {}) }
  return encoded(affine, cut, { data: take(codes, axis, kept), ...scales }, attrs)
}

/**
 * Codes on a regular grid: value = scale · (code − zero), one scale per tensor, row or run of columns.
 * Parts: data u1-u8 (rows, columns), scale f16, f32 or a tree (rows, groups), zero u1-u8 or f16 (rows, groups); without zero it is 2^(bits−1).
 * Attrs: bits; group, columns that share a scale (the last run of a row may be shorter).
 */
export const affine: Codec = Object.freeze<Codec>({
  name: 'affine',
  check: (parts, { bits, group }, shape) =>
    firstOf(
      () => partsAre(parts, ['data', 'scale'], ['zero']),
      () => wholeIs('bits', bits, 1, 8) ?? wholeIs('group', group, 1, Infinity),
      () => codesAre('data', parts.data, [bits as number]) ?? sizeIs('data', parts.data, shape),
      () => floatsAre('scale', parts.scale) ?? runsAre('scale', parts.scale, shape, group as number),
      () => (parts.zero ? (zerosAre(parts.zero, bits as number) ?? shapeIs('zero', parts.zero, parts.scale.shape)) : undefined),
    ),
  cut: cutAffine,
  decode: ({ data, scale, zero }: Readonly<Record<string, tf.Tensor>>, attrs, shape) =>
    tf.tidy(() =>
      inGroups(data, shape, attrs.group as number, codes => {
        const offset = zero === undefined ? tf.scalar(2 ** ((attrs.bits as number) - 1)) : forGroups(zero)
        return tf.mul(tf.sub(codes, offset), forGroups(scale))
      }),
    ),
})

const F16_SMALLEST_NORMAL = 2 ** -14
const F16_LARGEST = 65504

/** What scales of a tensor are stored in. */
export type ScaleDType = 'f16' | 'f32'

/** Scales as f16 where all of them are normal halves, else as f32: a scale that loses bits spoils every weight under it. */
export const scaleDTypeOf = (scales: ArrayLike<number>): ScaleDType => {
  for (let i = 0; i < scales.length; i++) {
    const magnitude = Math.abs(scales[i])
    if (magnitude !== 0 && (magnitude < F16_SMALLEST_NORMAL || magnitude > F16_LARGEST)) return 'f32'
  }
  return 'f16'
}

/** A scale above 0 as it is stored; as a half it is a normal one. */
export const roundScale = (scale: number, dtype: ScaleDType): number => {
  if (dtype === 'f32') return Math.fround(scale) || 1
  return decodeF16(encodeF16(Math.min(F16_LARGEST, Math.max(F16_SMALLEST_NORMAL, scale))))
}

export interface AffineParts {
  readonly shape: readonly number[]
  /** 1-8. */
  readonly bits: number
  /** Columns that share a scale. */
  readonly group: number
  /** Unsigned codes, (rows, columns), or what they are stored as. */
  readonly codes: ArrayLike<number> | Dense
  /** (rows or 1, groups); rounded to `scaleDType`, so codes that were made for other ones are a little off: `affineFrom` makes both. */
  readonly scales: ArrayLike<number>
  /** What they are stored in: where absent, f16 if all of them are normal halves, else f32. */
  readonly scaleDType?: ScaleDType
  /** (rows or 1, groups), integers in 0 … 2^bits − 1, or halves in a Float32Array; absent on a symmetric grid. */
  readonly zeros?: ArrayLike<number> | Float32Array
}

/** Builds the tree; throws BAD_OPTION for bits outside 1-8. */
export const affineOf = ({ shape, bits, group, codes, scales, scaleDType = scaleDTypeOf(scales), zeros }: AffineParts): Encoded => {
  if (!Number.isInteger(bits) || bits < 1 || bits > 8) {
    throw new CompressionError('BAD_OPTION', `affine stores 1 to 8 bits, got ${bits}.`, 'Choose bits between 1 and 8.', { bits })
  }
  const dtype = `u${bits}` as DType
  const [, columns] = matrixShape(shape)
  const groups = Math.ceil(columns / group)
  const scaleShape = [scales.length / groups, groups]
  const parts: Record<string, Parameter> = {
    data: 'kind' in codes ? codes : fromIntegers(codes, dtype, shape),
    scale: fromFloat32(scales, scaleDType, scaleShape),
    ...(zeros
      ? { zero: zeros instanceof Float32Array ? fromFloat32(zeros, 'f16', scaleShape) : fromIntegers(zeros, dtype, scaleShape) }
      : {}),
  }
  return encoded(affine, shape, parts, { bits, group })
}
