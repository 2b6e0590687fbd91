import { copyRange, nameOf, writeFully, type FileSystem, type OpenFile } from '../files/file-system.js'
import { MARK, MARK_VALUE } from '../files/mark.js'
import { encodeHeader } from './header.js'

/** A tensor whose bytes are on the disk already. */
export interface RawTensor {
  readonly name: string
  readonly dtype: string
  readonly shape: readonly number[]
  /** Where its bytes lie in the shard's unfinished file. */
  readonly at: number
  readonly bytes: number
}

/** What is known of an unfinished shard; its bytes are on the disk. */
export interface Shard {
  readonly data: OpenFile
  readonly tensors: RawTensor[]
  readonly trees: Map<string, unknown>
  size: number
}

const WIDTH: Readonly<Record<string, number>> = { C64: 8, F64: 8, I64: 8, U64: 8, F32: 4, I32: 4, U32: 4, F16: 2, BF16: 2, I16: 2, U16: 2 }

/** Wide elements first, as the official writer does, so that every tensor starts at a multiple of its element. */
const layOut = (tensors: readonly RawTensor[]): readonly RawTensor[] =>
  [...tensors].sort((a, b) => (WIDTH[b.dtype] ?? 1) - (WIDTH[a.dtype] ?? 1))

/** Joins header and data into the finished file. */
export const join = async (fs: FileSystem, shard: Shard, metadata: Readonly<Record<string, string>>, path: string): Promise<void> => {
  const begins = new Map<string, number>()
  let end = 0
  const order = layOut(shard.tensors)
  for (const { name, bytes } of order) {
    begins.set(name, end)
    end += bytes
  }
  const entries = shard.tensors.map(({ name, dtype, shape, bytes }) => {
    const begin = begins.get(name)!
    return [name, { dtype, shape, data_offsets: [begin, begin + bytes] }] as const
  })
  const header = encodeHeader({ __metadata__: metadata, ...Object.fromEntries(entries) })
  const file = await fs.open(path, 'wx+')
  try {
    await writeFully(file, header, 0)
    for (const { name, at, bytes } of order) await copyRange(shard.data, at, file, header.byteLength + begins.get(name)!, bytes)
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
