import { clone, create, toBinary } from '@bufbuild/protobuf'
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { writeFully, type FileSystem, type OpenFile } from '@tersor/formats/internal/files/file-system'
import { MARK, MARK_VALUE, trailingMark } from '@tersor/formats/internal/files/mark'
import {
  GraphProtoSchema,
  ModelProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  type ModelProto,
} from './schema/onnx-ml_pb.js'
import { INLINE_BYTES } from './scan.js'
import type { WrittenTensor } from './tensor-spool.js'

/** Protobuf messages end at 2 GiB: a model that comes near keeps its data in a file beside it. */
export const MAX_MODEL_BYTES = 2 ** 31 - 2 ** 24

const GRAPH = 7
const INITIALIZER = 5
const RAW_DATA = 9
/** Where runtimes can map a file into memory. */
const PAGE = 4096
const CHUNK_BYTES = 8 << 20

const prefixOf = (number: number, length: number): Uint8Array =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).uint32(length).finish()

/** Appends to a file. */
const appender = (file: OpenFile) => {
  let end = 0
  const bytes = async (chunk: Uint8Array): Promise<void> => {
    await writeFully(file, chunk, end)
    end += chunk.byteLength
  }
  return {
    bytes,
    data: async ({ read, length }: WrittenTensor): Promise<void> => {
      for (let at = 0; at < length; at += CHUNK_BYTES) await bytes(await read!(at, Math.min(CHUNK_BYTES, length - at)))
    },
    /** Moves on to a multiple of a page. */
    align: async (): Promise<number> => {
      if (end % PAGE !== 0) await bytes(new Uint8Array(PAGE - (end % PAGE)))
      return end
    },
  }
}

type Appender = ReturnType<typeof appender>

/** What stands before the data of an initializer inside of the graph, and how long all of it is. */
const inlineParts = ({ proto, length, read }: WrittenTensor) => {
  const header = toBinary(TensorProtoSchema, proto)
  const raw = read ? prefixOf(RAW_DATA, length) : new Uint8Array(0)
  const body = header.length + raw.length + (read ? length : 0)
  const start = prefixOf(INITIALIZER, body)
  return { parts: [start, header, raw], total: start.length + body }
}

const inAFile = async (create: () => Promise<OpenFile>, work: (to: Appender) => Promise<void>): Promise<void> => {
  const file = await create()
  try {
    await work(appender(file))
    await file.sync?.()
  } finally {
    await file.close()
  }
}

/** The tensor with its data in another file. */
const moved = async (tensor: WrittenTensor, to: Appender, location: string): Promise<WrittenTensor> => {
  const offset = await to.align()
  await to.data(tensor)
  const proto = clone(TensorProtoSchema, tensor.proto)
  proto.dataLocation = TensorProto_DataLocation.EXTERNAL
  proto.externalData = Object.entries({ location, offset: String(offset), length: String(tensor.length) }).map(([key, value]) =>
    create(StringStringEntryProtoSchema, { key, value }),
  )
  return { proto, length: 0 }
}

/** Files that one model becomes. */
export interface ModelFilePaths {
  readonly fs: FileSystem
  readonly model: string
  readonly data: string
  /** What the model calls the file of its data. */
  readonly dataName: string
}

export interface WriteOptions {
  /** Keeps the data of all but small tensors in a file beside the model; only past `limit` where absent. */
  readonly external?: boolean
  /** Bytes of a model that holds its own data; 2 GiB less 16 MiB where absent. */
  readonly limit?: number
}

/** Writes a model with these initializers, streaming their data; gives the paths written. Throws what the file system throws. */
export const writeModel = async (
  model: ModelProto,
  tensors: readonly WrittenTensor[],
  { fs, model: path, data, dataName }: ModelFilePaths,
  { external = false, limit = MAX_MODEL_BYTES }: WriteOptions,
): Promise<readonly string[]> => {
  const shell = clone(ModelProtoSchema, model)
  shell.metadataProps = shell.metadataProps.filter(({ key }) => key !== MARK)
  shell.metadataProps.push(create(StringStringEntryProtoSchema, { key: MARK, value: MARK_VALUE }))
  const graph = shell.graph!
  graph.initializer = []
  delete (shell as { graph?: unknown }).graph
  const [outer, nodes] = [toBinary(ModelProtoSchema, shell), toBinary(GraphProtoSchema, graph)]
  const sizeOfAll = (all: readonly WrittenTensor[]): number => all.reduce((sum, each) => sum + inlineParts(each).total, nodes.length)
  const isExternal = external || sizeOfAll(tensors) + outer.length > limit
  let written = tensors
  if (isExternal) {
    const placed: WrittenTensor[] = []
    await inAFile(
      () => fs.open(data, 'wx+'),
      async to => {
        for (const tensor of tensors) placed.push(tensor.read && tensor.length > INLINE_BYTES ? await moved(tensor, to, dataName) : tensor)
        await to.bytes(trailingMark())
      },
    )
    written = placed
  }
  await inAFile(
    () => fs.open(path, 'wx+'),
    async to => {
      await to.bytes(outer)
      await to.bytes(prefixOf(GRAPH, sizeOfAll(written)))
      await to.bytes(nodes)
      for (const tensor of written) {
        for (const part of inlineParts(tensor).parts) await to.bytes(part)
        if (tensor.read) await to.data(tensor)
      }
    },
  )
  return isExternal ? [path, data] : [path]
}
