import { bytesOf, DTYPES, sizeOf, type DType, type Shape } from '@tersor/tensor'
import { badFile } from '../files/bad-file.js'
import { isCounts, isRecord, parseJson, parseText } from '../files/json-text.js'
import { DTYPE_OF } from './tables.js'

/** The official reader's limit: a header that fits in memory whatever it claims. */
export const MAX_HEADER_BYTES = 100_000_000
/** Object, tensor, list: a header has three levels. */
export const MAX_HEADER_DEPTH = 4
/** No framework makes tensors with more axes. */
export const MAX_AXES = 64

const LENGTH_BYTES = 8

/** A tensor of the file, by absolute position. */
export interface TensorEntry {
  readonly dtype: DType
  readonly shape: Shape
  readonly offset: number
  readonly byteLength: number
}

export interface SafetensorsHeader {
  /** In the order of the header. */
  readonly tensors: ReadonlyMap<string, TensorEntry>
  readonly metadata: Readonly<Record<string, string>>
}

/** Bytes of the header, its length field included, from the first 8 bytes of the file. Throws BAD_FILE. */
export const safetensorsHeaderBytes = (start: Uint8Array, fileSize: number): number => {
  if (start.byteLength < LENGTH_BYTES || fileSize < LENGTH_BYTES)
    throw badFile(`A safetensors file starts with 8 bytes of length; this one has ${fileSize}.`, undefined, { fileSize })
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true)
  if (length > BigInt(MAX_HEADER_BYTES))
    throw badFile(
      `The header claims ${length} bytes; at most ${MAX_HEADER_BYTES} are read.`,
      'This is no safetensors file, or its start is damaged.',
    )
  if (Number(length) > fileSize - LENGTH_BYTES)
    throw badFile(`The header claims ${length} bytes; the file has ${fileSize}.`, undefined, { fileSize })
  return LENGTH_BYTES + Number(length)
}

const parseMetadata = (value: unknown): Readonly<Record<string, string>> => {
  if (value === undefined) return {}
  if (isRecord(value) && Object.values(value).every(entry => typeof entry === 'string')) return value as Record<string, string>
  throw badFile('__metadata__ of the header is not a record of strings.')
}

const dtypeOf = (name: string, stored: unknown): DType => {
  if (typeof stored === 'string' && Object.hasOwn(DTYPE_OF, stored)) return DTYPE_OF[stored]
  const shown = (JSON.stringify(stored) ?? 'none').slice(0, 40)
  throw badFile(`Tensor "${name}" has the unknown dtype ${shown}.`, undefined, { name })
}

const parseEntry = (name: string, value: unknown, dataStart: number, fileSize: number): TensorEntry => {
  if (!isRecord(value)) throw badFile(`The header's entry of tensor "${name}" is not an object.`, undefined, { name })
  const { shape, data_offsets: offsets } = value
  const dtype = dtypeOf(name, value.dtype)
  if (!isCounts(shape) || shape.length > MAX_AXES)
    throw badFile(`The shape of tensor "${name}" is not a list of at most ${MAX_AXES} counts.`, undefined, { name })
  if (!Number.isSafeInteger(sizeOf(shape) * DTYPES[dtype].bits))
    throw badFile(`The shape of tensor "${name}" multiplies to more than any file holds.`, undefined, { name })
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1])
    throw badFile(`The offsets of tensor "${name}" are not a begin and an end.`, undefined, { name })
  const byteLength = offsets[1] - offsets[0]
  if (byteLength !== bytesOf(dtype, shape))
    throw badFile(
      `Tensor "${name}" takes ${bytesOf(dtype, shape)} bytes as ${dtype} [${shape.join(', ')}]; its offsets span ${byteLength}.`,
      undefined,
      {
        name,
      },
    )
  if (dataStart + offsets[1] > fileSize)
    throw badFile(`Tensor "${name}" ends at byte ${dataStart + offsets[1]}; the file has ${fileSize}.`, undefined, { name, fileSize })
  return Object.freeze({ dtype, shape: Object.freeze([...shape]), offset: dataStart + offsets[0], byteLength })
}

/** Tensors must cover the data without holes or overlaps, as the official reader demands. */
const checkCover = (tensors: ReadonlyMap<string, TensorEntry>, dataStart: number, fileSize: number): void => {
  const order = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.byteLength - b.byteLength)
  let end = dataStart
  for (const [name, entry] of order) {
    if (entry.offset < end) throw badFile(`Tensor "${name}" overlaps another one.`, undefined, { name })
    if (entry.offset > end) throw badFile(`${entry.offset - end} bytes before tensor "${name}" belong to no tensor.`, undefined, { name })
    end += entry.byteLength
  }
  if (end < fileSize) throw badFile(`The last ${fileSize - end} bytes belong to no tensor.`, undefined, { fileSize })
}

/**
 * Parses and checks the header of a safetensors file of `fileSize` bytes from the file's first bytes.
 * Layout: u64 length, JSON of that length, data. Throws BAD_FILE.
 */
export const parseSafetensorsHeader = (bytes: Uint8Array, fileSize: number): SafetensorsHeader => {
  const dataStart = safetensorsHeaderBytes(bytes, fileSize)
  if (bytes.byteLength < dataStart)
    throw badFile(`The header has ${dataStart} bytes, got ${bytes.byteLength}.`, 'Pass as many bytes as safetensorsHeaderBytes says.')
  const header = parseJson(parseText(bytes.subarray(LENGTH_BYTES, dataStart), 'The header'), 'The header', MAX_HEADER_DEPTH)
  if (!isRecord(header)) throw badFile('The header is not an object.')
  const tensors = new Map<string, TensorEntry>()
  for (const [name, value] of Object.entries(header))
    if (name !== '__metadata__') tensors.set(name, parseEntry(name, value, dataStart, fileSize))
  checkCover(tensors, dataStart, fileSize)
  return Object.freeze({ tensors, metadata: Object.freeze({ ...parseMetadata(header.__metadata__) }) })
}

/** The length field and the JSON, padded with spaces so that the data starts at a multiple of 8. */
export const encodeHeader = (json: Readonly<Record<string, unknown>>): Uint8Array => {
  const text = new TextEncoder().encode(JSON.stringify(json))
  const length = Math.ceil(text.byteLength / 8) * 8
  const bytes = new Uint8Array(LENGTH_BYTES + length).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true)
  bytes.set(text, LENGTH_BYTES)
  return bytes
}
