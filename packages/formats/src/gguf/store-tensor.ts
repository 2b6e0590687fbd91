import { treeToBlocks } from '@tersor/core/block-trees'
import { blockTypeFor, packBlocks } from '@tersor/kernels/blocks'
import {
  codesOf,
  CompressionError,
  dense,
  DTYPES,
  encoded,
  fromFloat32,
  fromIntegers,
  sizeOf,
  toFloat32,
  type Dense,
  type DType,
  type Encoded,
  type Parameter,
  type Shape,
} from '@tersor/tensor'
import { encodeRows, floatsOf, largestOf, type MatrixValues } from './encode-rows.js'
import { integersOf, isWhole, type ScaledIntegers } from './scaled-integers.js'
import { TENSOR_TYPES, type BlockTypeName, type TensorTypeName } from './tables/tensor-types.js'

/** What a tree becomes that no block type holds without loss. */
export type Fallback = 'f16' | 'f32' | 'q8_0'

/** What all matrices may become: blocks of codes, or floats. */
export type MatrixTypeName = BlockTypeName | 'f32' | 'f16' | 'bf16'

export interface StoreOptions {
  /** Of the parameter, for errors. */
  readonly name: string
  readonly fallback: Fallback
  /** What all matrices become; where absent, plain ones and trees that a block type holds stay as they are. */
  readonly type?: MatrixTypeName | undefined
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
  /** The type that was wanted, where the rows do not fill its blocks or the numbers are beyond its range. */
  readonly insteadOf?: TensorTypeName
  /** Whether values that were rounded before are rounded a second time. */
  readonly again?: boolean
}

/** Dtypes that are tensor types as they are. */
export const PLAIN: readonly string[] = ['f32', 'f16', 'bf16']

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

/** The type that rows of so many columns fill. */
export const fitting = (type: TensorTypeName, columns: number): TensorTypeName => {
  const smaller = 'format' in TENSOR_TYPES[type] ? blockTypeFor(type as BlockTypeName, columns) : type
  return columns % TENSOR_TYPES[smaller].block === 0 ? smaller : 'f16'
}

/** Larger numbers round to infinity in f16. */
const BEYOND_HALF = 65520

/** Larger ones need scales that no half may hold: whether they do is seen of the matrix as a whole. */
const LARGEST_HALF = 65504

const encodeAs = async (
  type: TensorTypeName,
  values: MatrixValues,
  shape: Shape,
  largest: number,
  importance: Float32Array | undefined,
): Promise<Uint8Array> => {
  if (!('format' in TENSOR_TYPES[type])) return fromFloat32(floatsOf(values), type as DType, shape).bytes
  const columns = largest <= LARGEST_HALF ? shape[shape.length - 1] : sizeOf(shape)
  return encodeRows(type as BlockTypeName, values, shape, columns, largest, importance)
}

const checkImportance = (name: string, columns: number, importance: Float32Array | undefined): void => {
  if (!importance || importance.length === columns) return
  throw new CompressionError(
    'SHAPE',
    `The importance matrix has ${importance.length} numbers for the ${columns} columns of "${name}".`,
    'Pass the matrix of this model.',
    { name, expected: columns, got: importance.length },
  )
}

/** Rounds values, none of which may be NaN or infinite; those beyond f16 keep the range of f32. */
const storeRounded = async (
  values: MatrixValues,
  shape: Shape,
  { name, type, fallback, importance }: StoreOptions,
): Promise<StoredTensor> => {
  const columns = shape[shape.length - 1]
  const wanted = type ?? fallback
  const stored = fitting(wanted, columns)
  const weighed = 'format' in TENSOR_TYPES[stored] ? importance : undefined
  checkImportance(name, columns, weighed)
  const largest = await largestOf(name, values, shape)
  if (stored === 'f16' && largest >= BEYOND_HALF)
    return { type: 'f32', bytes: asBytes(floatsOf(values)), lossless: true, insteadOf: wanted }
  const bytes = await encodeAs(stored, values, shape, largest, weighed)
  return { type: stored, bytes, lossless: stored === 'f32', ...(stored === wanted ? {} : { insteadOf: wanted }) }
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

/** A float of one of the file's types, or a mask over one. */
const plainOf = (parameter: Parameter): Dense | undefined => {
  const plain = maskedDense(parameter)
  return plain !== undefined && PLAIN.includes(plain.dtype) ? plain : undefined
}

/** What needs no rounding: codes and plain matrices, unless another type is asked for. */
const storeAsIs = (parameter: Parameter, { type }: StoreOptions): StoredTensor | undefined => {
  const codes = storeCodes(parameter)
  if (codes && (type === undefined || codes.type === type)) return codes
  if (codes && type !== undefined && codes.type === fitting(type, parameter.shape.at(-1)!)) return { ...codes, insteadOf: type }
  const plain = plainOf(parameter)
  if (!plain || parameter.shape.length < 2 || (type !== undefined && type !== plain.dtype)) return undefined
  return { type: plain.dtype as TensorTypeName, bytes: plain.bytes, lossless: true }
}

/**
 * Chooses how a parameter is stored: vectors as f32, matrices as the type says. Where none is given: trees as the block type that holds their
 * codes, affine ones as the smallest such, plain matrices as they are, everything else decoded and as the fallback says.
 * Throws NOT_FINITE, by name and place, for NaN or infinite values that would be rounded, and SHAPE for importance of another width.
 */
export const storeTensor = async (parameter: Parameter, options: StoreOptions): Promise<StoredTensor> => {
  const stored = storeAsIs(parameter, options)
  if (stored) return stored
  const plain = maskedDense(parameter)
  const values = plain ?? (await options.decode(parameter))
  if (parameter.shape.length < 2) return { type: 'f32', bytes: asBytes(floatsOf(values)), lossless: plainOf(parameter) !== undefined }
  const rounded = await storeRounded(values, parameter.shape, options)
  return parameter.kind === 'encoded' && !plain && options.type !== undefined ? { ...rounded, again: true } : rounded
}

/** A parameter as f32, whatever the options say. */
export const storeAsFloat32 = async (parameter: Parameter, { decode }: Pick<StoreOptions, 'decode'>): Promise<StoredTensor> => {
  const plain = maskedDense(parameter)
  return { type: 'f32', bytes: asBytes(plain ? toFloat32(plain) : await decode(parameter)), lossless: plainOf(parameter) !== undefined }
}
