import { CompressionError, sizeOf, type Shape } from '@tersor/tensor'
import { badFile, oneLine } from '../files/bad-file.js'
import { createCursor, NEEDS_MORE, type Cursor } from './cursor.js'
import { OTHER_TYPES, TENSOR_TYPE_OF, TENSOR_TYPES, type TensorTypeName } from './tables/tensor-types.js'
import { LIST_ID, VALUE_TYPE_OF, VALUE_TYPES, type ValueType } from './tables/value-types.js'

export type Scalar = number | bigint | boolean | string
/** A metadata value with its type, so that it can be written again; 64-bit integers beyond 2⁵³ are bigints. */
export type GgufValue =
  | { readonly type: ValueType; readonly value: Scalar }
  | { readonly type: 'list'; readonly of: ValueType; readonly value: readonly Scalar[] }
export type Metadata = ReadonlyMap<string, GgufValue>

/** A tensor of the file, by absolute position; the shape has its contiguous axis last. */
export interface GgufTensor {
  readonly type: TensorTypeName
  readonly shape: Shape
  readonly offset: number
  readonly byteLength: number
}

export interface GgufHeader {
  readonly metadata: Metadata
  readonly tensors: ReadonlyMap<string, GgufTensor>
}

/** ggml's own limit. */
export const MAX_DIMENSIONS = 4
/** ggml's names have 64 bytes with the closing zero; some writers go beyond. */
export const MAX_TENSOR_NAME_BYTES = 256
/** Vocabularies and merges have some hundred thousand entries. */
export const MAX_LIST_LENGTH = 1 << 24
/** Alignments in use are 32 and 64; pages have 4096. */
export const MAX_ALIGNMENT = 1 << 16
/** Metadata of models with large vocabularies takes some ten megabytes. */
export const MAX_GGUF_HEADER_BYTES = 512 << 20
const DEFAULT_ALIGNMENT = 32
/** Length of a name, type, and one byte of value. */
const SMALLEST_ENTRY_BYTES = 13
/** Length of a name, count of dimensions, type and offset. */
const SMALLEST_TENSOR_BYTES = 24
const MAGIC = 0x46554747
const VERSIONS = [2, 3]

const toNumber = (value: number | bigint | boolean): number | bigint | boolean =>
  typeof value === 'bigint' && value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value

/** A count, checked against the bytes that so many items need at least. */
const readCount = (cursor: Cursor, itemBytes: number, what: string): number => {
  const count = Number(cursor.read('u64', what))
  cursor.expect(count * itemBytes, what)
  return count
}

const readScalar = (cursor: Cursor, type: ValueType, what: string): Scalar =>
  type === 'string' ? cursor.string(what) : toNumber(cursor.read(type, what))

const valueTypeOf = (id: number, what: string): ValueType => {
  const type = VALUE_TYPE_OF.get(id)
  if (type) return type
  throw badFile(id === LIST_ID ? `${what} is a list of lists.` : `${what} has the unknown type ${id}.`, undefined, { type: id })
}

const readValue = (cursor: Cursor, what: string): GgufValue => {
  const id = cursor.read('u32', what) as number
  if (id !== LIST_ID) {
    const type = valueTypeOf(id, what)
    return { type, value: readScalar(cursor, type, what) }
  }
  const of = valueTypeOf(cursor.read('u32', what) as number, what)
  const length = readCount(cursor, VALUE_TYPES[of].bytes, what)
  if (length > MAX_LIST_LENGTH) throw badFile(`${what} claims ${length} entries; at most ${MAX_LIST_LENGTH} are read.`)
  const value: Scalar[] = []
  for (let i = 0; i < length; i++) value.push(readScalar(cursor, of, what))
  return { type: 'list', of, value }
}

const readMetadata = (cursor: Cursor, count: number): Metadata => {
  const metadata = new Map<string, GgufValue>()
  for (let i = 0; i < count; i++) {
    const key = cursor.string(`Metadata entry ${i}`)
    if (metadata.has(key)) throw badFile(`The metadata has "${key}" twice.`, 'Keys must differ: write the file again.', { key })
    metadata.set(key, readValue(cursor, `Metadata "${key}"`))
  }
  return metadata
}

const tensorTypeOf = (id: number, name: string): TensorTypeName => {
  const type = TENSOR_TYPE_OF.get(id)
  if (type) return type
  const other = OTHER_TYPES[id]
  if (other === undefined) throw badFile(`Tensor "${name}" has the unknown type ${id}.`, undefined, { name, type: id })
  throw new CompressionError(
    'UNSUPPORTED',
    oneLine(`Tensor "${name}" has type ${other}.`),
    `Use a file of ${Object.keys(TENSOR_TYPES).join(', ')}.`,
    { name, type: other },
  )
}

const byteLengthOf = (name: string, type: TensorTypeName, shape: Shape): number => {
  const { block, bytes } = TENSOR_TYPES[type]
  const size = sizeOf(shape)
  if (!shape.every(Number.isSafeInteger) || !Number.isSafeInteger(size * bytes))
    throw badFile(`The shape of tensor "${name}" multiplies to more than any file holds.`, undefined, { name })
  if ((shape.at(-1) ?? 1) % block !== 0)
    throw badFile(`Tensor "${name}" has rows of ${shape.at(-1)}; ${type} has blocks of ${block}.`, undefined, { name, type })
  return (size / block) * bytes
}

/** Offsets are relative to the data until the header's end is known. */
const readTensor = (cursor: Cursor, index: number): readonly [string, GgufTensor] => {
  const name = cursor.string(`The name of tensor ${index}`)
  if (name.length > MAX_TENSOR_NAME_BYTES)
    throw badFile(`The name of tensor ${index} has ${name.length} characters; at most ${MAX_TENSOR_NAME_BYTES} are read.`)
  const what = `Tensor "${name}"`
  const axes = cursor.read('u32', what) as number
  if (axes > MAX_DIMENSIONS) throw badFile(`${what} claims ${axes} dimensions; ggml has at most ${MAX_DIMENSIONS}.`, undefined, { name })
  const shape: number[] = []
  for (let i = 0; i < axes; i++) shape.unshift(Number(cursor.read('u64', what)))
  const type = tensorTypeOf(cursor.read('u32', what) as number, name)
  return [name, { type, shape, offset: Number(cursor.read('u64', what)), byteLength: byteLengthOf(name, type, shape) }]
}

const alignmentOf = (metadata: Metadata): number => {
  const alignment = metadata.get('general.alignment')?.value ?? DEFAULT_ALIGNMENT
  if (typeof alignment === 'number' && alignment >= 1 && alignment <= MAX_ALIGNMENT && Number.isInteger(Math.log2(alignment)))
    return alignment
  throw badFile(`general.alignment is ${String(alignment).slice(0, 40)}; it must be a power of two up to ${MAX_ALIGNMENT}.`)
}

const checkTensors = (tensors: ReadonlyMap<string, GgufTensor>, alignment: number, fileSize: number): void => {
  let end = 0
  for (const [name, { offset, byteLength }] of [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength)) {
    if (!Number.isSafeInteger(offset + byteLength) || offset + byteLength > fileSize)
      throw badFile(`Tensor "${name}" ends at byte ${offset + byteLength}; the file has ${fileSize}.`, undefined, { name, fileSize })
    if (offset < end) throw badFile(`Tensor "${name}" overlaps another one.`, undefined, { name })
    end = offset + byteLength
  }
  for (const [name, { offset }] of tensors)
    if (offset % alignment !== 0)
      throw badFile(`Tensor "${name}" starts at byte ${offset}, no multiple of ${alignment}.`, undefined, { name })
}

const readStart = (cursor: Cursor): { readonly tensors: number; readonly entries: number } => {
  const magic = cursor.read('u32', 'The magic number')
  if (magic !== MAGIC) throw badFile('The file does not start with "GGUF".', 'Pass a .gguf file.')
  const version = cursor.read('u32', 'The version') as number
  if (!VERSIONS.includes(version))
    throw new CompressionError(
      'UNSUPPORTED',
      `The file has GGUF version ${version}.`,
      'Versions 2 and 3, little-endian, are read: convert the file.',
      { version },
    )
  return {
    tensors: readCount(cursor, SMALLEST_TENSOR_BYTES, 'The list of tensors'),
    entries: readCount(cursor, SMALLEST_ENTRY_BYTES, 'The metadata'),
  }
}

const parse = (bytes: Uint8Array, fileSize: number): GgufHeader => {
  const cursor = createCursor(bytes, fileSize)
  const counts = readStart(cursor)
  const metadata = readMetadata(cursor, counts.entries)
  const alignment = alignmentOf(metadata)
  const relative: (readonly [string, GgufTensor])[] = []
  for (let i = 0; i < counts.tensors; i++) relative.push(readTensor(cursor, i))
  const start = Math.ceil(cursor.position() / alignment) * alignment
  const tensors = new Map<string, GgufTensor>()
  for (const [name, tensor] of relative) {
    if (tensors.has(name)) throw badFile(`Tensor "${name}" comes twice.`, 'Names must differ: write the file again.', { name })
    tensors.set(name, Object.freeze({ ...tensor, offset: start + tensor.offset }))
  }
  checkTensors(tensors, alignment, fileSize)
  return Object.freeze({ metadata, tensors })
}

/**
 * Parses the header of a GGUF file of `fileSize` bytes from its first bytes; undefined where they end before the header does.
 * Layout: magic, version, counts, metadata, tensor infos, padding, data. Throws BAD_FILE and UNSUPPORTED (a version or type).
 */
export const parseGgufHeader = (bytes: Uint8Array, fileSize: number): GgufHeader | undefined => {
  try {
    return parse(bytes, fileSize)
  } catch (error) {
    if (error === NEEDS_MORE) return undefined
    throw error
  }
}
