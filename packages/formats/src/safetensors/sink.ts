import type { Provenance } from '@tersor/core'
import { byteLength, CompressionError, type Codec, type Parameter, type ParameterSink } from '@tersor/tensor'
import { folderOf, nameOf, within, writeFile, writeFully } from '../file-system.js'
import { MARK, MARK_VALUE } from '../mark.js'
import { createOutput, type Output, type OutputOptions } from '../output.js'
import { earlierOutputs, indexName, indexOf, join, shardName, type Shard } from './join.js'
import { openSafetensors, type SafetensorsStore } from './open.js'
import { RECORD_KEY, recordToText } from './record.js'
import { isNamed, codecsOf, leavesOf, storageOf, treeToJson } from './tree.js'

export interface SafetensorsSinkOptions extends OutputOptions {
  /** Strings for the header, such as { format: 'pt' }. */
  readonly metadata?: Readonly<Record<string, string>>
  /** The steps that made the parameters; asked for at the end where it is a function. */
  readonly provenance?: readonly Provenance[] | (() => readonly Provenance[])
  /** Starts another file beyond this size, and writes an index; one file where absent. */
  readonly maxShardBytes?: number
}

export interface SafetensorsSink extends ParameterSink {
  finish(): Promise<SafetensorsStore>
}

const repeated = (name: string): CompressionError =>
  new CompressionError('BAD_DATA', `The name "${name}" is taken already.`, 'Write every parameter once, under a name of its own.', { name })

interface Notes {
  readonly metadata: Readonly<Record<string, string>>
  readonly provenance: readonly Provenance[]
}

/** Makes the finished files, one after another, in the output's folder; returns their names. */
const joinAll = async (output: Output, path: string, shards: readonly Shard[], notes: Notes): Promise<readonly string[]> => {
  const { fs, folder } = output
  const files = shards.length === 1 ? [nameOf(path)] : shards.map((_, index) => shardName(path, index, shards.length))
  for (const [index, shard] of shards.entries()) {
    const record = { trees: Object.fromEntries(shard.trees), provenance: notes.provenance }
    const isPlain = record.provenance.length === 0 && shard.trees.size === 0
    const marked = { ...notes.metadata, [MARK]: MARK_VALUE }
    const metadata = isPlain ? marked : { ...marked, [RECORD_KEY]: recordToText(record) }
    await join(fs, shard, metadata, within(folder, files[index]))
    await shard.data.close()
    await fs.rm(within(folder, `data-${index}`), { recursive: true, force: true })
  }
  if (shards.length === 1) return files
  await writeFile(fs, within(folder, indexName(path)), indexOf(shards, files))
  return [...files, indexName(path)]
}

/**
 * Streams parameters into a safetensors file: plain tensors stay plain, trees become tensors `<name>/<part>` and a note in the header.
 * Bytes wait in `<path>.partial-<id>` and are joined with the header at the end; memory holds headers only.
 * Steps throw OUTPUT_EXISTS, DISK, BAD_DATA (a name twice, attributes that JSON loses); any failure removes everything.
 */
export const safetensorsSink = (path: string, options: SafetensorsSinkOptions = {}): SafetensorsSink => {
  const output = createOutput(path, options, [path, `${path}.index.json`])
  const { fs, folder } = output
  const { maxShardBytes = Infinity, metadata = {} } = options
  const shards: Shard[] = []
  const names = new Set(['__metadata__'])
  const codecs = new Map<string, Codec>()

  const shardFor = async (bytes: number): Promise<Shard> => {
    const current = shards.at(-1)
    if (current && (current.size === 0 || current.size + bytes <= maxShardBytes)) return current
    shards.push({ data: await fs.open(within(folder, `data-${shards.length}`), 'wx+'), tensors: [], trees: new Map(), size: 0 })
    return shards.at(-1)!
  }
  const closeData = async (): Promise<void> => {
    await Promise.all(shards.map(shard => shard.data.close().catch(() => {})))
  }
  const step = <T>(work: () => Promise<T>): Promise<T> =>
    output.step(() => work().catch((error: unknown) => closeData().then(() => Promise.reject(error))))

  const take = (name: string): void => {
    if (names.size === names.add(name).size) throw repeated(name)
  }
  const write = async (name: string, parameter: Parameter): Promise<void> => {
    const shard = await shardFor(byteLength(parameter))
    if (parameter.kind === 'encoded') take(name)
    if (parameter.kind === 'encoded' || !isNamed(parameter)) shard.trees.set(name, treeToJson(name, parameter))
    for (const codec of codecsOf(parameter)) codecs.set(codec.name, codec)
    for (const [raw, leaf] of leavesOf(name, parameter)) {
      take(raw)
      await writeFully(shard.data, leaf.bytes, shard.size)
      shard.tensors.push({ name: raw, ...storageOf(leaf), at: shard.size, bytes: leaf.bytes.byteLength })
      shard.size += leaf.bytes.byteLength
    }
  }
  const finish = async (): Promise<void> => {
    if (shards.length === 0) await shardFor(0)
    const provenance = typeof options.provenance === 'function' ? options.provenance() : (options.provenance ?? [])
    const files = await joinAll(output, path, shards, { metadata, provenance })
    const siblings = options.overwrite ? await fs.readdir(folderOf(path)) : []
    const stale = earlierOutputs(path, siblings).filter(name => !files.includes(name))
    const place = (name: string): string => path.slice(0, path.length - nameOf(path).length) + name
    await output.publish(
      files.map(file => ({ from: within(folder, file), to: place(file) })),
      stale.map(place),
    )
  }
  return Object.freeze({
    write: (name: string, parameter: Parameter) => step(() => write(name, parameter)),
    finish: async () => {
      await step(finish)
      return openSafetensors(shards.length > 1 ? `${path}.index.json` : path, { codecs: [...codecs.values()], fileSystem: fs })
    },
    abort: async () => {
      await output.abort()
      await closeData()
    },
  })
}
