import { treeToBlocks } from '@tersor/core'
import { blockTypeFor, packBlocks, quantizeBlocks } from '@tersor/kernels/blocks'
import {
  codesOf,
  CompressionError,
  decodeF16,
  dense,
  DTYPES,
  encodeF16,
  encoded,
  fromFloat32,
  fromIntegers,
  isDense,
  sizeOf,
  toFloat32,
  toInt32,
  type Dense,
  type Encoded,
  type Parameter,
  type Shape,
} from '@tersor/tensor'
import { TENSOR_TYPES, type BlockTypeName, type TensorTypeName } from './tables/tensor-types.js'

/** Elements of a block. */
const BLOCK = 32

/** Integers on a symmetric grid with one scale a block: value = scale · integer. */
interface ScaledIntegers {
  /** As many as the tensor has elements. */
  readonly integers: Int8Array
  /** f16 codes, one a block. */
  readonly scales: Uint16Array
}

/** What a tree becomes that no block type holds without loss. */
export type Fallback = 'f16' | 'f32' | 'q8_0'

export interface StoreOptions {
  readonly fallback: Fallback
  /** What all matrices become that are no block type already; where absent, plain ones stay as they are. */
  readonly type?: BlockTypeName | undefined
  /** A weight for each column. */
  readonly importance?: Float32Array | undefined
  /** The values of a tree, row by row. */
  decode(parameter: Parameter): Promise<Float32Array>
}

/** The content of a tensor of the file. */
export interface StoredTensor {
  readonly type: TensorTypeName
  readonly bytes: Uint8Array
  /** Whether it reads back to the same values. */
  readonly lossless: boolean
  /** The type that was wanted, where the rows do not fill its blocks. */
  readonly insteadOf?: TensorTypeName
}

const isWhole = (parameter: Parameter | undefined, shape: Shape): parameter is Dense =>
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

const integersOf = (parameter: Parameter): ScaledIntegers | undefined => {
  if (parameter.kind === 'dense' || parameter.codec.name !== 'masked') return integersOfAffine(parameter)
  const { mask, values } = parameter.parts
  const content = isWhole(mask, parameter.shape) ? integersOfAffine(values) : undefined
  if (!content) return undefined
  const kept = codesOf(mask as Dense)
  const { integers } = content
  for (let i = 0; i < integers.length; i++) if (kept[i] === 0) integers[i] = 0
  return content
}

/** Dtypes that are tensor types as they are. */
const PLAIN: readonly string[] = ['f32', 'f16', 'bf16']

/** A mask over plain values is plain values. */
const maskedDense = (parameter: Parameter): Dense | undefined => {
  if (parameter.kind === 'dense') return parameter
  const { mask, values } = parameter.parts
  if (
    parameter.codec.name !== 'masked' ||
    !isWhole(mask, parameter.shape) ||
    !isWhole(values, parameter.shape) ||
    !PLAIN.includes(values.dtype)
  )
    return undefined
  const kept = codesOf(mask)
  const bytes = values.bytes.slice()
  const width = DTYPES[values.dtype].bits / 8
  for (let i = 0; i < kept.length; i++) if (kept[i] === 0) bytes.fill(0, i * width, (i + 1) * width)
  return dense(values.dtype, values.shape, bytes)
}

const asBytes = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength)

const codesOfBf16 = ({ bytes }: Dense): Uint16Array => {
  const aligned = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice()
  return new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2)
}

const fitting = (type: TensorTypeName, columns: number): TensorTypeName => {
  const smaller = 'format' in TENSOR_TYPES[type] ? blockTypeFor(type as BlockTypeName, columns) : type
  return columns % TENSOR_TYPES[smaller].block === 0 ? smaller : 'f16'
}

/** Values in float32, or bf16 codes, which the kernels of blocks widen themselves: they take half the memory. */
type Values = Float32Array | Uint16Array

const encodeAs = async (type: TensorTypeName, given: Values, importance?: Float32Array): Promise<Uint8Array> => {
  if ('format' in TENSOR_TYPES[type]) return quantizeBlocks(type as BlockTypeName, given, importance ? { importance } : {})
  const values = given instanceof Uint16Array ? toFloat32(dense('bf16', [given.length], asBytes(given))) : given
  return type === 'f32' ? asBytes(values) : fromFloat32(values, 'f16', [values.length]).bytes
}

const storeQuantized = async (values: Values, columns: number, { type, fallback, importance }: StoreOptions): Promise<StoredTensor> => {
  if (importance && importance.length !== columns)
    throw new CompressionError(
      'SHAPE',
      `The importance matrix has ${importance.length} numbers for ${columns} columns.`,
      'Pass the matrix of this model.',
      { expected: columns, got: importance.length },
    )
  const wanted = type ?? fallback
  const stored = fitting(wanted, columns)
  const bytes = await encodeAs(stored, values, importance)
  return { type: stored, bytes, lossless: false, ...(stored === wanted ? {} : { insteadOf: wanted }) }
}

/** Block types from small to large, with what half the codes count: the first that holds all integers is taken. */
const CANDIDATES = [
  ['q4_0', 8],
  ['q5_0', 16],
  ['q8_0', 128],
] as const satisfies readonly (readonly [BlockTypeName, number])[]

const NONE = { minimum: new Uint16Array(), scaleCodes: new Uint8Array(), minimumCodes: new Uint8Array() } as const

const storeIntegers = ({ integers, scales }: ScaledIntegers): StoredTensor | undefined => {
  let lowest = 0
  let highest = 0
  for (let i = 0; i < integers.length; i++) {
    if (integers[i] < lowest) lowest = integers[i]
    else if (integers[i] > highest) highest = integers[i]
  }
  const found = CANDIDATES.find(([, half]) => -half <= lowest && highest < half)
  if (!found) return undefined
  const [type, half] = found
  const codes = Uint8Array.from(integers, integer => integer + half)
  return { type, bytes: packBlocks(type, { ...NONE, codes, scale: scales }), lossless: true }
}

/** A mask over codes around a middle, which stands for 0, as the codes alone; other trees as they are. */
const withoutMask = (tree: Encoded): Encoded => {
  const { mask, values } = tree.parts
  if (tree.codec.name !== 'masked' || values.kind === 'dense' || values.codec.name !== 'affine' || values.parts.zero) return tree
  const { data } = values.parts
  if (!isWhole(mask, tree.shape) || !isWhole(data, tree.shape)) return tree
  const kept = codesOf(mask)
  const middle = 2 ** ((values.attrs.bits as number) - 1)
  const codes = codesOf(data).map((code, i) => (kept[i] === 0 ? middle : code))
  return encoded(values.codec, tree.shape, { ...values.parts, data: fromIntegers(codes, data.dtype, data.shape) }, values.attrs)
}

/** The very codes of a tree, in the blocks of the type that it is or of the smallest that holds its integers. */
const storeCodes = (parameter: Parameter): StoredTensor | undefined => {
  if (parameter.shape.length < 2) return undefined
  const integers = integersOf(parameter)
  const stored = integers && storeIntegers(integers)
  if (stored || parameter.kind === 'dense') return stored
  const blocks = treeToBlocks(withoutMask(parameter))
  return blocks && { ...blocks, lossless: true }
}

/**
 * Chooses how a parameter is stored: vectors as f32, trees as the block type that holds their codes, affine ones as the smallest such,
 * plain matrices as they are or as the type says, everything else decoded and as the type or the fallback says.
 */
export const storeTensor = async (parameter: Parameter, options: StoreOptions): Promise<StoredTensor> => {
  const stored = storeCodes(parameter)
  if (stored) return stored
  const isVector = parameter.shape.length < 2
  const plain = maskedDense(parameter)
  const isFloat = plain !== undefined && PLAIN.includes(plain.dtype)
  if (isFloat && !isVector && !options.type) return { type: plain.dtype as TensorTypeName, bytes: plain.bytes, lossless: true }
  if (plain?.dtype === 'bf16' && !isVector) return storeQuantized(codesOfBf16(plain), parameter.shape[parameter.shape.length - 1], options)
  const values = plain ? toFloat32(plain) : await options.decode(parameter)
  if (isVector) return { type: 'f32', bytes: asBytes(values), lossless: isFloat }
  return storeQuantized(values, parameter.shape[parameter.shape.length - 1], options)
}
