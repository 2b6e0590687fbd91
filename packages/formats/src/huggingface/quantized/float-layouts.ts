import { dense, fromFloat32, isDense, sizeOf, toFloat32, type Dense, type Encoded, type Parameter } from '@tersor/tensor'
import type { Refusal } from '../../files/refusal.js'
import type { Scheme, StoredLinear } from './layout.js'

export type FloatFormat = 'float-quantized' | 'nvfp4-pack-quantized' | 'mxfp4-pack-quantized'

const isTree = (parameter: Parameter | undefined, codec: string): parameter is Encoded =>
  parameter?.kind === 'encoded' && parameter.codec.name === codec

/** Values a step of a scheme keeps under one scale, and how the scales are stored. */
const NVFP4 = { group: 16, step: 'Quantize it by nvfp4, with columns that are a multiple of 16.' } as const
const MXFP4 = { group: 32, step: 'Quantize it by mxfp4, with columns that are a multiple of 32.' } as const
const FP8_STEP = 'Quantize it by fp8 with format=e4m3.'

/** How 8-bit floats share scales, and the tensor of these. */
const scalesOf = (scale: Dense, block: readonly number[] | undefined): readonly [NonNullable<Scheme['float']>, scale: Dense] => {
  if (block !== undefined) return [{ strategy: 'block', block }, scale]
  return sizeOf(scale.shape) === 1 ? [{ strategy: 'tensor' }, dense('f32', [1], scale.bytes)] : [{ strategy: 'channel' }, scale]
}

const storeFp8 = ({ codec, shape, parts: { values, scale }, attrs }: Encoded): StoredLinear | Refusal => {
  if (codec.name !== 'scaled' || shape.length !== 2 || !isDense(values) || !isDense(scale))
    return { reason: `is ${codec.name}, not 8-bit floats under a scale`, step: FP8_STEP }
  if (values.dtype !== 'f8e4m3') return { reason: `has floats of the type ${values.dtype}, not f8e4m3`, step: FP8_STEP }
  const [float, weight_scale] = scalesOf(scale, attrs.block as readonly number[] | undefined)
  return {
    scheme: { bits: 8, group: shape[1], whole: true, symmetric: true, float },
    tensors: { weight: values, weight_scale },
  }
}

/** The codes of a matrix of 4-bit floats, two in a byte, the first of them low; or why it has none. */
const packedE2m1 = (tree: Encoded, { group, step }: { readonly group: number; readonly step: string }): Dense | Refusal => {
  const { codec, shape, parts, attrs } = tree
  const isE2m1 = codec.name === 'codebook' && attrs.table === 'e2m1' && attrs.block === group && shape.length === 2
  if (!isE2m1 || !isDense(parts.data) || parts.offset) return { reason: `is ${codec.name}, not 4-bit floats in groups of ${group}`, step }
  const [rows, columns] = shape
  if (columns % group !== 0) return { reason: `has ${columns} columns, not a multiple of ${group}`, step }
  return dense('u8', [rows, columns / 2], parts.data.bytes)
}

const storeNvfp4 = (tree: Encoded): StoredLinear | Refusal => {
  const packed = packedE2m1(tree, NVFP4)
  if ('reason' in packed) return packed
  const { scale } = tree.parts
  const { values, scale: whole } = isTree(scale, 'scaled') ? scale.parts : {}
  if (!isDense(values) || values.dtype !== 'f8e4m3' || !isDense(whole) || sizeOf(whole.shape) !== 1)
    return { reason: 'has scales that are no 8-bit floats under one scale', step: NVFP4.step }
  const [factor] = toFloat32(whole)
  const divisor = Math.fround(1 / factor)
  if (Math.fround(1 / divisor) !== factor)
    return { reason: `has a scale, ${factor}, that its reciprocal does not give back`, step: NVFP4.step }
  return {
    scheme: { bits: 4, group: 16, whole: false, symmetric: true, float: { strategy: 'tensor_group', scale: 'torch.float8_e4m3fn' } },
    tensors: { weight_packed: packed, weight_scale: values, weight_global_scale: fromFloat32([divisor], 'f32', [1]) },
  }
}

const storeMxfp4 = (tree: Encoded): StoredLinear | Refusal => {
  const packed = packedE2m1(tree, MXFP4)
  if ('reason' in packed) return packed
  const { scale } = tree.parts
  if (!isTree(scale, 'powers') || !isDense(scale.parts.exponent))
    return { reason: 'has scales that are no powers of two', step: MXFP4.step }
  return {
    scheme: { bits: 4, group: 32, whole: false, symmetric: true, float: { strategy: 'group', scale: 'torch.uint8' } },
    tensors: { weight_packed: packed, weight_scale: scale.parts.exponent },
  }
}

/** What stands for a weight of floats, by format. */
export const FLOAT_FORMATS: Readonly<Record<FloatFormat, (tree: Encoded) => StoredLinear | Refusal>> = {
  'float-quantized': storeFp8,
  'nvfp4-pack-quantized': storeNvfp4,
  'mxfp4-pack-quantized': storeMxfp4,
}
