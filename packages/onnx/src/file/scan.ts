import { fromBinary } from '@bufbuild/protobuf'
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { badFile } from '@tersor/formats/internal/files/bad-file'
import type { ByteSource } from '@tersor/formats/internal/files/byte-source'
import { ModelProtoSchema, type ModelProto } from './schema/onnx-ml_pb.js'

/** Data of an initializer longer than this stays in the file. */
export const INLINE_BYTES = 4096
/** A model without its tensors: nodes and names. The largest known decoders have some 20 MB of them. */
export const MAX_SKELETON_BYTES = 512 << 20

/** Bytes of the file. */
export interface Range {
  readonly offset: number
  readonly length: number
}

/** A model of which the large data of initializers was left in the file. */
export interface Skeleton {
  readonly model: ModelProto
  /** Where that data is, by the number of the initializer. */
  readonly cut: ReadonlyMap<number, Range>
}

/** Fields on the way to an initializer's data: model.graph, graph.initializer, tensor.float_data and tensor.raw_data. */
const GRAPH = 7
const INITIALIZER = 5
const DATA: readonly number[] = [4, 9]

const READ_AHEAD = 1 << 16
/** A tag and a length take at most this much. */
const LONGEST_PREFIX = 20

interface Field extends Range {
  readonly number: number
  readonly wire: WireType
  /** Where its tag begins. */
  readonly start: number
}

/** Reads of a few bytes at rising places, through one buffer. */
const readAhead = (source: ByteSource) => {
  let [start, held] = [0, new Uint8Array(0)]
  return async (at: number, length: number): Promise<Uint8Array> => {
    if (length > READ_AHEAD) return source.read(at, length)
    if (at < start || at + length > start + held.length) {
      held = (await source.read(at, Math.min(READ_AHEAD, source.size - at))) as Uint8Array<ArrayBuffer>
      start = at
    }
    if (at + length > start + held.length) throw badFile(`${source.name} ends in the middle of a field.`)
    return held.subarray(at - start, at - start + length)
  }
}

type Read = ReturnType<typeof readAhead>

/** Length of what follows a tag. */
const payload = (reader: BinaryReader, wire: WireType): { readonly skip: number; readonly length: number } => {
  const before = reader.pos
  if (wire === WireType.LengthDelimited) {
    const length = reader.uint32()
    return { skip: reader.pos - before, length }
  }
  reader.skip(wire)
  return { skip: 0, length: reader.pos - before }
}

const fieldAt = async (read: Read, at: number, end: number): Promise<Field> => {
  const prefix = await read(at, Math.min(LONGEST_PREFIX, end - at))
  const reader = new BinaryReader(prefix)
  try {
    const [number, wire] = reader.tag()
    const { skip, length } = payload(reader, wire)
    const offset = at + (wire === WireType.LengthDelimited ? reader.pos : reader.pos - length + skip)
    if (offset + length > end) throw new Error(`field ${number} is longer than what holds it`)
    return { number, wire, start: at, offset, length }
  } catch (cause) {
    throw badFile(`At byte ${at} there is no field of an ONNX model: ${(cause as Error).message}.`, undefined, { at }, cause)
  }
}

type Visit = (field: Field) => Promise<Uint8Array | undefined>

/** A message with some of its fields rewritten: undefined leaves one out. */
const rewritten = async (read: Read, { offset, length }: Range, visit: Visit): Promise<Uint8Array> => {
  const parts: Uint8Array[] = []
  for (let at = offset; at < offset + length;) {
    const field = await fieldAt(read, at, offset + length)
    const part = await visit(field)
    if (part) parts.push(part.slice())
    at = field.offset + field.length
  }
  return joined(parts)
}

const joined = (parts: readonly Uint8Array[]): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** A message as the field of another. */
export const messageField = (number: number, message: Uint8Array): Uint8Array =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(message).finish()

/** Reads a model without the large data of its initializers; throws BAD_FILE. */
export const scanModel = async (source: ByteSource): Promise<Skeleton> => {
  const read = readAhead(source)
  const cut = new Map<number, Range>()
  let held = 0
  let index = 0
  const copy: Visit = async ({ start, offset, length }) => {
    held += offset + length - start
    if (held > MAX_SKELETON_BYTES)
      throw badFile(`${source.name} has more than ${MAX_SKELETON_BYTES} bytes of nodes.`, 'Keep its weights as initializers.')
    return read(start, offset + length - start)
  }
  const initializer: Visit = async field => {
    const message = await rewritten(read, field, async inner => {
      if (!DATA.includes(inner.number) || inner.wire !== WireType.LengthDelimited || inner.length <= INLINE_BYTES) return copy(inner)
      cut.set(index, { offset: inner.offset, length: inner.length })
      return undefined
    })
    index++
    return messageField(INITIALIZER, message)
  }
  const descend =
    (number: number, visit: Visit): Visit =>
    field =>
      field.number === number && field.wire === WireType.LengthDelimited ? visit(field) : copy(field)
  const graph: Visit = async field => messageField(GRAPH, await rewritten(read, field, descend(INITIALIZER, initializer)))
  const bytes = await rewritten(read, { offset: 0, length: source.size }, descend(GRAPH, graph))
  try {
    return { model: fromBinary(ModelProtoSchema, bytes), cut }
  } catch (cause) {
    throw badFile(`${source.name} is no ONNX model: ${(cause as Error).message}.`, undefined, {}, cause)
  }
}
