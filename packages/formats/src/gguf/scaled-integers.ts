import {
  codesOf,
  decodeF16,
  DTYPES,
  encodeF16,
  isDense,
  sizeOf,
  toFloat32,
  toInt32,
  type Dense,
  type Parameter,
  type Shape,
} from '@tersor/tensor'

/** Elements of a block. */
const BLOCK = 32

/** Integers on a symmetric grid with one scale a block: value = scale · integer. */
export interface ScaledIntegers {
  /** As many as the tensor has elements. */
  readonly integers: Int8Array
  /** f16 codes, one a block. */
  readonly scales: Uint16Array
}

/** Whether a part has as many elements as the whole. */
export const isWhole = (parameter: Parameter | undefined, shape: Shape): parameter is Dense =>
  isDense(parameter) && sizeOf(parameter.shape) === sizeOf(shape)

/** f16 codes of the scales; undefined where a half cannot hold one. */
const halvesOf = (scale: Dense): Uint16Array | undefined => {
  if (scale.dtype === 'f16') return new Uint16Array(scale.bytes.slice().buffer)
  const values = toFloat32(scale)
  const halves = Uint16Array.from(values, encodeF16)
  return values.every((value, i) => Object.is(decodeF16(halves[i]), value)) ? halves : undefined
}

/** An affine tree as integers with a scale for every block; undefined where its groups or scales do not fit. */
const integersOfAffine = (parameter: Parameter): ScaledIntegers | undefined => {
  if (parameter.kind === 'dense' || parameter.codec.name !== 'affine') return undefined
  const { shape, parts, attrs } = parameter
  const columns = shape[shape.length - 1]
  const group = Math.min(attrs.group as number, columns)
  const { data, scale, zero } = parts
  if (!(columns % BLOCK === 0 && group % BLOCK === 0) || !isWhole(data, shape) || scale?.kind !== 'dense' || zero?.kind === 'encoded')
    return undefined
  if (zero && DTYPES[zero.dtype].kind === 'float') return undefined
  const halves = halvesOf(scale)
  if (!halves) return undefined
  const codes = codesOf(data)
  const zeros = zero && toInt32(zero)
  const middle = 2 ** ((attrs.bits as number) - 1)
  const groups = Math.ceil(columns / group)
  const integers = new Int8Array(codes.length)
  const scales = new Uint16Array(codes.length / BLOCK)
  for (let b = 0; b < scales.length; b++) {
    const start = b * BLOCK
    const row = scale.shape[0] === 1 ? 0 : Math.floor(start / columns)
    const at = row * groups + Math.floor((start % columns) / group)
    scales[b] = halves[at]
    const offset = zeros ? zeros[at] : middle
    for (let i = start; i < start + BLOCK; i++) {
      const integer = codes[i] - offset
      if (integer < -128 || integer > 127) return undefined
      integers[i] = integer
    }
  }
  return { integers, scales }
}

/** The integers and scales of a tree, under a mask or not; undefined where they are no such. */
export const integersOf = (parameter: Parameter): ScaledIntegers | undefined => {
  if (parameter.kind === 'dense' || parameter.codec.name !== 'masked') return integersOfAffine(parameter)
  const { mask, values } = parameter.parts
  const content = isWhole(mask, parameter.shape) ? integersOfAffine(values) : undefined
  if (!content) return undefined
  const kept = codesOf(mask as Dense)
  const { integers } = content
  for (let i = 0; i < integers.length; i++) if (kept[i] === 0) integers[i] = 0
  return content
}
