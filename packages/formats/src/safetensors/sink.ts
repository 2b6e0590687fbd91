import { bytesOf, outlineBytes, type Codec, type Outline, type OutlineLeaf, type Parameter, type ParameterSink } from '@tersor/tensor'
import { folderOf, nameOf, piecesOf, within, writeFile, writeFully } from '../files/file-system.js'
import { MARK, MARK_VALUE } from '../files/mark.js'
import { fileSink, type FileWriter, type SinkOptions, type Unfinished } from '../files/output.js'
import { earlierOutputs, indexName, indexOf, shardName, writeTensors, type RawTensor, type Shard } from './join.js'
import { openSafetensors, type SafetensorsStore } from './open.js'
import { RECORD_KEY, recordToText } from './record.js'
import { isNamed, codecsOf, leavesOf, storageOf, treeToJson } from './tree.js'

export interface SafetensorsSinkOptions extends SinkOptions {
  /** Strings for the header, such as { format: 'pt' }. */
  readonly metadata?: Readonly<Record<string, string>>
  /** Starts another file beyond this size, and writes an index; one file where absent. */
  readonly maxShardBytes?: number
}

export interface SafetensorsSink extends ParameterSink {
  finish(): Promise<SafetensorsStore>
}

/** Makes the finished files, one after another, in the output's folder; returns their names. */
const joinAll = async (
  { fs, folder, provenance }: Unfinished,
  path: string,
  shards: readonly Shard[],
  given: Readonly<Record<string, string>>,
): Promise<readonly string[]> => {
  const files = shards.length === 1 ? [nameOf(path)] : shards.map((_, index) => shardName(path, index, shards.length))
  for (const [index, shard] of shards.entries()) {
    const record = { trees: Object.fromEntries(shard.trees), provenance }
    const isPlain = record.provenance.length === 0 && shard.trees.size === 0
    const marked = { ...given, [MARK]: MARK_VALUE }
    const metadata = isPlain ? marked : { ...marked, [RECORD_KEY]: recordToText(record) }
    await writeTensors(fs, within(folder, files[index]), shard.tensors, metadata)
    await shard.data.close()
    await fs.rm(within(folder, `data-${index}`), { recursive: true, force: true })
  }
  if (shards.length === 1) return files
  await writeFile(fs, within(folder, indexName(path)), indexOf(shards, files))
  return [...files, indexName(path)]
}

/**
 * Streams parameters into a safetensors file: plain tensors stay plain, trees become tensors `<name>/<part>` and a note in the header.
 * Bytes that are written wait in `<path>.partial-<id>` and are joined with the header at the end, those of outlines stay where they are until
 * then; memory holds headers, and 4 MiB while files are joined.
 * Steps throw OUTPUT_EXISTS, DISK, BAD_DATA (a name twice, attributes that JSON loses); any failure removes everything.
 */
export const safetensorsSink = (path: string, options: SafetensorsSinkOptions = {}): SafetensorsSink =>
  fileSink(path, options, unfinished => shardedWriter(path, options, unfinished), [path, `${path}.index.json`])

const shardedWriter = (
  path: string,
  { maxShardBytes = Infinity, metadata = {}, overwrite = false }: SafetensorsSinkOptions,
  unfinished: Unfinished,
): FileWriter<SafetensorsStore> => {
  const { fs, folder, take } = unfinished
  const shards: Shard[] = []
  const codecs = new Map<string, Codec>()
  take('__metadata__')

  const shardFor = async (bytes: number): Promise<Shard> => {
    const current = shards.at(-1)
    if (current && (current.size === 0 || current.size + bytes <= maxShardBytes)) return current
    shards.push({ data: await fs.open(within(folder, `data-${shards.length}`), 'wx+'), tensors: [], trees: new Map(), size: 0, written: 0 })
    return shards.at(-1)!
  }
  /** Notes a parameter and has its leaves kept one after the other. */
  const add = async (
    name: string,
    parameter: Parameter | Outline,
    keep: (shard: Shard, leaf: OutlineLeaf, bytes: number) => Promise<RawTensor['read']>,
  ) => {
    const shard = await shardFor(outlineBytes(parameter))
    if (parameter.kind === 'encoded') take(name)
    if (parameter.kind === 'encoded' || !isNamed(parameter)) shard.trees.set(name, treeToJson(name, parameter))
    for (const codec of codecsOf(parameter)) codecs.set(codec.name, codec)
    for (const [raw, leaf] of leavesOf(name, parameter)) {
      take(raw)
      const bytes = bytesOf(leaf.dtype, leaf.shape)
      shard.tensors.push({ name: raw, ...storageOf(leaf), bytes, read: await keep(shard, leaf, bytes) })
      shard.size += bytes
    }
  }
  return {
    write: (name, parameter) =>
      add(name, parameter, async (shard, leaf, bytes) => {
        const start = shard.written
        await writeFully(shard.data, await leaf.read(0, bytes), start)
        shard.written += bytes
        return piecesOf(shard.data, start, bytes).read
      }),
    copy: (name, outline) => add(name, outline, async (_shard, leaf) => leaf.read),
    finish: async () => {
      if (shards.length === 0) await shardFor(0)
      const files = await joinAll(unfinished, path, shards, metadata)
      const siblings = overwrite ? await fs.readdir(folderOf(path)) : []
      const place = (name: string): string => path.slice(0, path.length - nameOf(path).length) + name
      return {
        moves: files.map(file => ({ from: within(folder, file), to: place(file) })),
        stale: earlierOutputs(path, siblings)
          .filter(name => !files.includes(name))
          .map(place),
      }
    },
    close: async () => {
      await Promise.all(shards.map(shard => shard.data.close().catch(() => {})))
    },
    reopen: () =>
      openSafetensors(shards.length > 1 ? `${path}.index.json` : path, { codecs: [...codecs.values()], fileSystem: fs, trusted: true }),
  }
}
