import type { Provenance } from '@tersor/core'
import { bytesOf, dense, storeOver, type Codec, type Dense, type ParameterStore } from '@tersor/tensor'
import { roomForThreads } from '@tersor/kernels/pool'
import { badFile } from '../files/bad-file.js'
import { openSource, type ByteSource } from '../files/byte-source.js'
import type { FileSystem } from '../files/file-system.js'
import { parseSafetensorsHeader, safetensorsHeaderBytes, type TensorEntry } from './header.js'
import { MARK } from '../files/mark.js'
import { parseRecord, RECORD_KEY } from './record.js'
import { checkIndex, findShards } from './shards.js'
import { isNode, outlineOfTree, parseTree, readTree, storedLeaves, type StoredLeaf, type StoredTree } from './tree.js'

/** What those ask for who know their files. */
interface OwnOptions extends OpenOptions {
  /** Whether this process wrote the file or has found it to be what a run wrote: its trees are copied unread then. */
  readonly trusted?: boolean
}

export interface OpenOptions {
  /** The codecs that trees of the file may use, passed as values. */
  readonly codecs?: readonly Codec[]
  /** Where to read instead of Node's file system. */
  readonly fileSystem?: FileSystem
}

/** A store over safetensors files. */
export interface SafetensorsStore extends ParameterStore {
  /** What the writer put beside the tensors. */
  readonly metadata: Readonly<Record<string, string>>
  /** The steps that made the parameters, in order; empty for files of other tools. */
  readonly provenance: readonly Provenance[]
  close(): Promise<void>
}

interface Shard {
  readonly source: ByteSource
  readonly tensors: ReadonlyMap<string, TensorEntry>
  readonly trees: ReadonlyMap<string, StoredTree>
  readonly metadata: Readonly<Record<string, string>>
  readonly provenance: readonly Provenance[]
}

const openShard = async (source: ByteSource, codecs: ReadonlyMap<string, Codec>): Promise<Shard> => {
  const start = await source.read(0, Math.min(8, source.size))
  const bytes = await source.read(0, safetensorsHeaderBytes(start, source.size))
  const { tensors, metadata } = parseSafetensorsHeader(bytes, source.size)
  const { trees, provenance } = parseRecord(metadata)
  const parsed = Object.entries(trees).map(([name, json]) => [name, parseTree(name, json, tensors, codecs)] as const)
  const { [RECORD_KEY]: _record, [MARK]: _mark, ...others } = metadata
  return { source, tensors, trees: new Map(parsed), metadata: others, provenance }
}

interface Located {
  readonly shard: Shard
  readonly tree: StoredTree
}

/** Parameters in the order of the header: a tree stands where its first leaf stands. Throws BAD_FILE for a name with two meanings. */
const locate = (shards: readonly Shard[]): ReadonlyMap<string, Located> => {
  const located = new Map<string, Located>()
  const add = (name: string, at: Located): void => {
    const { shard, tree } = located.get(name) ?? at
    if (shard !== at.shard || tree !== at.tree)
      throw badFile(`Two parameters are called "${name}".`, 'Names must differ: write the file again.', { name })
    located.set(name, at)
  }
  for (const shard of shards) {
    const trees = new Map([...shard.trees].map(([name, tree]) => [name, { shard, tree }] as const))
    const owner = new Map([...shard.trees].flatMap(([name, tree]) => storedLeaves(tree).map(leaf => [leaf.raw, name] as const)))
    for (const [raw, { dtype, shape }] of shard.tensors) {
      const name = owner.get(raw)
      if (name === undefined) add(raw, { shard, tree: { raw, dtype, shape } })
      else add(name, trees.get(name)!)
    }
    for (const [name, tree] of trees) add(name, tree)
  }
  return located
}

/** Bytes from which on kernels find it worth to share them among threads. */
const LARGE = 2 ** 20

/** Where a leaf is read to, if it matters. */
const roomFor = ({ fillsRoom }: ByteSource, byteLength: number): Uint8Array | undefined =>
  fillsRoom && byteLength >= LARGE ? new Uint8Array(roomForThreads(byteLength)) : undefined

const bytesOfTree = (tree: StoredTree): number => storedLeaves(tree).reduce((sum, leaf) => sum + bytesOf(leaf.dtype, leaf.shape), 0)

/** `trusted` trees are outlined though nobody holds their bytes against their codecs then. */
const storeOf = (shards: readonly Shard[], trusted: boolean): SafetensorsStore => {
  const close = async (): Promise<void> => {
    await Promise.all(shards.map(shard => shard.source.close()))
  }
  const params = storeOver(locate(shards), {
    info: ({ tree }) => {
      const size = { shape: tree.shape, byteLength: bytesOfTree(tree) }
      return isNode(tree) ? { ...size, codec: tree.codec.name } : { ...size, dtype: tree.dtype }
    },
    read: ({ shard, tree }, name, signal) => {
      const read = async ({ raw, dtype, shape }: StoredLeaf): Promise<Dense> => {
        const { offset, byteLength } = shard.tensors.get(raw)!
        const room = roomFor(shard.source, byteLength)
        return dense(dtype, shape, await shard.source.read(offset, byteLength, signal, room))
      }
      return readTree(name, tree, read)
    },
    outline: ({ shard: { source, tensors }, tree }) => {
      if (isNode(tree) && !trusted) return undefined
      return outlineOfTree(tree, ({ raw }) => {
        const { offset } = tensors.get(raw)!
        return (at, length, room) => source.read(offset + at, length, undefined, room)
      })
    },
  })
  return Object.freeze({
    ...params,
    metadata: Object.freeze(Object.assign({}, ...shards.map(shard => shard.metadata))),
    provenance: shards[0]?.provenance ?? [],
    close,
  })
}

/**
 * Opens one safetensors file, a Blob of one, or a folder or index of shards; only headers are read until `read`.
 * Throws NOT_FOUND, BAD_FILE, UNSUPPORTED (a dtype), UNKNOWN_CODEC (a codec that was not passed) and DISK.
 */
export const openSafetensors = async (
  from: string | Blob,
  { codecs = [], fileSystem, trusted = false }: OwnOptions = {},
): Promise<SafetensorsStore> => {
  const found = typeof from === 'string' ? await findShards(from, fileSystem) : { files: [from], index: undefined }
  const byName = new Map(codecs.map(codec => [codec.name, codec]))
  const sources: ByteSource[] = []
  try {
    const shards: Shard[] = []
    for (const file of found.files) {
      sources.push(await openSource(file, fileSystem))
      shards.push(await openShard(sources.at(-1)!, byName))
    }
    if (found.index) checkIndex(found.index, new Map(shards.map(shard => [shard.source.name, shard.tensors])))
    return storeOf(shards, trusted)
  } catch (error) {
    await Promise.all(sources.map(source => source.close()))
    throw error
  }
}
