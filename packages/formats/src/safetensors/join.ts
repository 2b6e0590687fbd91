import { copyPieces, type FileSystem, nameOf, type OpenFile, syncedAlong } from '../files/file-system.js'
import { MARK, MARK_VALUE } from '../files/mark.js'
import { encodeHeader } from './header.js'

/** A tensor of a file to be, whose bytes are somewhere else. */
export interface RawTensor {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  readonly bytes: number
  /** As that of an outline. */
  read(at: number, length: number, room: Uint8Array): Promise<Uint8Array>
}

/** What is known of an unfinished shard. */
export interface Shard {
  readonly data: OpenFile
  readonly tensors: RawTensor[]
  readonly trees: Map<string, unknown>
  size: number
  /** Of `data`. */
  written: number
}

const WIDTH: Readonly<Record<string, number>> = { C64: 8, F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2 }

/** Wide elements first, as the official writer does, so that every tensor starts at a multiple of its element. */
const layOut = (tensors: readonly RawTensor[]): readonly RawTensor[] =>
  [...tensors].sort((a, b) => (WIDTH[b.dtype] ?? 1) - (WIDTH[a.dtype] ?? 1))

/** Writes a file of header and tensors; `onBytes` sees all of it in order, and each piece only until it returns. */
export const writeTensors = async (
  fs: FileSystem,
  path: string,
  tensors: readonly RawTensor[],
  metadata: Readonly<Record<string, string>>,
  onBytes: (bytes: Uint8Array) => void = () => {},
): Promise<void> => {
  const begins = new Map<string, number>()
  let end = 0
  const order = layOut(tensors)
  for (const { name, bytes } of order) {
    begins.set(name, end)
    end += bytes
  }
  const entries = tensors.map(({ name, dtype, shape, bytes }) => {
    const begin = begins.get(name)!
    return [name, { dtype, shape, data_offsets: [begin, begin + bytes] }] as const
  })
  const header = encodeHeader({ __metadata__: metadata, ...Object.fromEntries(entries) })
  const file = syncedAlong(await fs.open(path, 'wx+'))
  try {
    const write = copyPieces(file, onBytes)
    await write({ bytes: header.byteLength, read: async (at, length) => header.subarray(at, at + length) }, 0)
    for (const tensor of order) await write(tensor, header.byteLength + begins.get(tensor.name)!)
    await file.sync?.()
  } finally {
    await file.close()
  }
}

const baseOf = (path: string): string => nameOf(path).replace(/\.safetensors$/, '')

export const indexName = (path: string): string => `${nameOf(path)}.index.json`

/** The name of a shard, numbered from one as other tools do. */
export const shardName = (path: string, index: number, count: number): string => {
  const number = (value: number): string => String(value).padStart(5, '0')
  return `${baseOf(path)}-${number(index + 1)}-of-${number(count)}.safetensors`
}

/** Those of a folder's files that the writer of the path may have left there before. */
export const earlierOutputs = (path: string, siblings: readonly string[]): readonly string[] =>
  siblings.filter(name => {
    const rest = name.startsWith(baseOf(path)) ? name.slice(baseOf(path).length) : ''
    return name === nameOf(path) || name === indexName(path) || /^-\d{5}-of-\d{5}\.safetensors$/.test(rest)
  })

/** The index that other tools read. */
export const indexOf = (shards: readonly Shard[], names: readonly string[]): Uint8Array => {
  const map = shards.flatMap((shard, index) => shard.tensors.map(tensor => [tensor.name, names[index]] as const))
  const total = shards.reduce((sum, shard) => sum + shard.size, 0)
  const metadata = { total_size: total, [MARK]: MARK_VALUE }
  return new TextEncoder().encode(`${JSON.stringify({ metadata, weight_map: Object.fromEntries(map) }, null, 2)}\n`)
}
