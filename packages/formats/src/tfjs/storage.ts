import {
  DTYPES,
  isDense,
  toFloat32,
  toInt32,
  unpackBits,
  sizeOf,
  type Dense,
  type Encoded,
  type Parameter,
  type Shape,
} from '@tersor/tensor'
import type { Quantization, WeightDType, WeightEntry } from './manifest.js'
import type { Refusal } from '../files/refusal.js'

/** A weight as a manifest describes it, and its bytes. */
export interface StoredWeight {
  readonly dtype: WeightDType
  readonly shape: Shape
  readonly quantization?: Quantization
  readonly bytes: Uint8Array
}

const QUANTIZE = "Quantize it by rtn with bits=8 and granularity='tensor'."
const refusal = (reason: string, step = QUANTIZE): Refusal => ({ reason, step })

/** Codes around the grid's zero as the source had them, where every value lies on that grid; undefined where one does not. */
const codesOn = (
  values: Float32Array | Int32Array,
  { scale, min }: { readonly scale: number; readonly min: number },
  most: number,
): Uint16Array | undefined => {
  if (!(scale > 0)) return undefined
  const round = values instanceof Int32Array ? Math.round : Math.fround
  const codes = new Uint16Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const code = Math.round((values[i] - min) / scale)
    if (!(code >= 0 && code <= most) || round(code * scale + min) !== values[i]) return undefined
    codes[i] = code
  }
  return codes
}

/** Values on the grid that they were read from, where they are still the same. */
const storeAsBefore = (values: Float32Array | Int32Array, shape: Shape, before: WeightEntry | undefined): StoredWeight | undefined => {
  const grid = before?.quantization
  if (!before || !grid || grid.dtype === 'float16') return undefined
  const codes = codesOn(values, grid, grid.dtype === 'uint8' ? 255 : 65535)
  if (!codes) return undefined
  const bytes = grid.dtype === 'uint8' ? Uint8Array.from(codes) : new Uint8Array(codes.buffer)
  return { dtype: before.dtype, shape, quantization: grid, bytes }
}

/** A plain tensor: on the grid that it was read from where it is still the same, else as it is. */
const storeDense = (tensor: Dense, before: WeightEntry | undefined): StoredWeight | Refusal => {
  const { dtype, shape } = tensor
  if (dtype === 'f16') return { dtype: 'float32', shape, quantization: { dtype: 'float16' }, bytes: tensor.bytes }
  if (dtype === 'c64') return { dtype: 'complex64', shape, bytes: tensor.bytes }
  if (DTYPES[dtype].kind !== 'float') {
    if (before?.dtype === 'bool' && dtype === 'u8') return { dtype: 'bool', shape, bytes: tensor.bytes }
    if (dtype === 'i64' || dtype === 'u64' || dtype === 'u32')
      return refusal(`holds ${dtype} numbers, which no int32 holds`, 'Leave it out.')
    const whole = Int32Array.from(toInt32(tensor))
    const again = before?.dtype === 'int32' ? storeAsBefore(whole, shape, before) : undefined
    return again ?? { dtype: 'int32', shape, bytes: new Uint8Array(whole.buffer) }
  }
  const values = toFloat32(tensor)
  const again = before?.dtype === 'float32' ? storeAsBefore(values, shape, before) : undefined
  return again ?? { dtype: 'float32', shape, bytes: new Uint8Array(Float32Array.from(values).buffer) }
}

/** (out, rest) → the tensor's own order of axes. */
const fromRows = (codes: Uint8Array, outAxis: number, shape: Shape): Uint8Array => {
  const [outputs, after] = [shape[outAxis], sizeOf(shape.slice(outAxis + 1))]
  const rest = codes.length / outputs
  const result = new Uint8Array(codes.length)
  for (let o = 0; o < outputs; o++)
    for (let r = 0; r < rest; r++) result[(Math.floor(r / after) * outputs + o) * after + (r % after)] = codes[o * rest + r]
  return result
}

const same = (values: ArrayLike<number>): boolean => Array.prototype.every.call(values, value => value === values[0])

/** One grid for the whole tensor: value = scale · (code − zero) = code · scale + min. */
const storeAffine = ({ parts, attrs, shape }: Encoded): StoredWeight | Refusal => {
  const { data, scale, zero } = parts as Readonly<Record<string, Dense>>
  if (!isDense(parts.scale)) return refusal('has scales that are codes themselves')
  const bits = attrs.bits as number
  const scales = toFloat32(scale)
  const zeros = zero ? toInt32(zero) : Int32Array.of(2 ** (bits - 1))
  if (!same(scales) || !same(zeros)) return refusal(`has ${scales.length} scales, and tfjs keeps one for a tensor`)
  const bytes = bits === 8 ? data.bytes : Uint8Array.from(unpackBits(data.bytes, bits, sizeOf(shape)))
  return { dtype: 'float32', shape, quantization: { dtype: 'uint8', scale: scales[0], min: 0 - zeros[0] * scales[0] }, bytes }
}

const storeEncoded = (tree: Encoded): StoredWeight | Refusal => {
  const { codec, parts, shape, attrs } = tree
  if (codec.name === 'affine') return storeAffine(tree)
  if (codec.name !== 'matrix') return refusal(`is ${codec.name}, and tfjs keeps one grid of codes for a tensor`)
  const values = parts.values
  if (values.kind === 'dense') return refusal('is a matrix of plain numbers')
  const stored = storeEncoded(values)
  return 'reason' in stored ? stored : { ...stored, shape, bytes: fromRows(stored.bytes, attrs.outAxis as number, shape) }
}

/** How a manifest keeps a parameter; `before` is what it was read from. */
export const storeWeight = (name: string, parameter: Parameter, before: WeightEntry | undefined): StoredWeight | Refusal => {
  if (/\.input_(scale|zero_point|row_levels)$/.test(name) && before === undefined)
    return refusal('is the grid of a layer’s inputs, and tfjs computes in float32', 'Leave out what rounds inputs.')
  return parameter.kind === 'dense' ? storeDense(parameter, before) : storeEncoded(parameter)
}
