import type { Provenance } from '@tersor/core'
import { CompressionError, type Dense, type Parameter, type ParameterSink, type Shape } from '@tersor/tensor'
import { nameOf, within, withoutSlash, writeFile, writeFully, type OpenFile } from '../files/file-system.js'
import { isRecord, type Json } from '../files/json-text.js'
import { fileSink, type SinkOptions } from '../files/output.js'
import type { Manifest } from './manifest.js'
import { openTfjs, RECORD_KEY } from './open.js'
import { isRefusal, refusedText, stepsText, type Refused } from '../files/refusal.js'
import { storeWeight, type StoredWeight } from './storage.js'

/** What knows how a topology follows the shapes of its weights. */
export interface TfjsTopology {
  /** Weights of few whole numbers, some of which may be extents: the sink writes them behind all others. */
  readonly constants: ReadonlySet<string>
  /** The description around weights of other shapes, and the constants that say something else in it. Throws BAD_DATA for shapes that do not fit each other. */
  resize(shapes: ReadonlyMap<string, Shape>): { readonly description: Json; readonly numbers: ReadonlyMap<string, Dense> }
}

export interface TfjsSinkOptions extends SinkOptions {
  /** What model.json says besides the manifest, as `openTfjs` gives it; a manifest by itself is written where absent or empty. */
  readonly description?: Json
  /** The manifest that the weights were read from: those that are unchanged keep their bytes. */
  readonly manifest?: Manifest
  /** Where weights may come with other shapes than those of the manifest: what the description then is. */
  readonly topology?: TfjsTopology
  /** Bytes of a shard; 4 MiB where absent, tfjs's habit. */
  readonly maxShardBytes?: number
  /** The manifest's name; model.json where absent, or weights_manifest.json for a manifest by itself. */
  readonly name?: string
}

const SHARD_BYTES = 4 << 20

const refusal = (refused: readonly Refused[]): CompressionError =>
  new CompressionError('UNSUPPORTED', refusedText('A tfjs manifest', refused), stepsText(refused), {
    format: 'tfjs',
    tensors: refused.map(({ name }) => name),
  })

/** Writes one run of bytes over files of a limited size. */
const shardWriter = (open: (index: number) => Promise<OpenFile>, limit: number) => {
  let [file, index, at] = [undefined as OpenFile | undefined, 0, 0]
  const close = async (): Promise<void> => {
    await file?.sync?.()
    await file?.close()
    file = undefined
  }
  return {
    write: async (bytes: Uint8Array): Promise<void> => {
      for (let done = 0; done < bytes.length;) {
        if (at === limit) await close()
        if (!file) [file, at] = [await open(index++), 0]
        const part = bytes.subarray(done, done + Math.min(limit - at, bytes.length - done))
        await writeFully(file, part, at)
        at += part.length
        done += part.length
      }
    },
    close,
    count: () => index,
  }
}

const describe = ({ dtype, shape, quantization }: StoredWeight, name: string): Json => ({
  ...{ name, shape, dtype },
  ...(quantization ? { quantization } : {}),
})

/** The description with what was done to the model. */
const withProvenance = (description: Json, provenance: readonly Provenance[]): Json => {
  if (provenance.length === 0) return description
  const { userDefinedMetadata } = description
  return {
    ...description,
    userDefinedMetadata: { ...(isRecord(userDefinedMetadata) ? userDefinedMetadata : {}), [RECORD_KEY]: { provenance } },
  }
}

/** Strings, which are no parameters and stay as they are. */
const keptOf = (manifest: Manifest | undefined): readonly (StoredWeight & { readonly name: string })[] =>
  [...(manifest?.weights.values() ?? [])].flatMap(({ name, dtype, shape, content }) =>
    content ? [{ name, dtype, shape, bytes: content }] : [],
  )

/** Weights whose shapes are not those of the manifest. */
const otherShapes = (shapes: ReadonlyMap<string, Shape>, manifest: Manifest | undefined): ReadonlyMap<string, Shape> =>
  new Map([...shapes].filter(([name, shape]) => manifest?.weights.get(name)?.shape.join() !== shape.join()))

/**
 * Streams weights into the folder of a tfjs model, which unmodified tfjs loads: model.json and shards of 4 MiB; a grid of one scale a tensor
 * becomes uint8, halves become float16, and what was read quantized and did not change keeps its bytes, and so do the strings of the manifest that is passed.
 * Where weights have other shapes than the manifest and `topology` is passed, as openTfjsModel gives it, the topology is written anew around them.
 * What has no place is told at the end, all of it at once, with the step that would make it fit (UNSUPPORTED), and nothing is written.
 * Steps throw OUTPUT_EXISTS, DISK, and BAD_DATA for a name that comes twice.
 */
export const tfjsSink = (path: string, options: TfjsSinkOptions = {}): ParameterSink => {
  const { description = {}, manifest, topology, maxShardBytes = SHARD_BYTES } = options
  const isBare = Object.keys(description).length === 0
  const jsonName = nameOf(options.name ?? (isBare ? 'weights_manifest.json' : 'model.json'))
  const dir = withoutSlash(path)
  const shard = (index: number): string => `group1-shard${index + 1}.bin`
  return fileSink(dir, options, ({ fs, folder, take, provenance }) => {
    const content = within(folder, 'content')
    const refused: Refused[] = []
    const entries: Json[] = []
    const shapes = new Map<string, Shape>()
    const last = new Map<string, Parameter>()
    let made: Promise<unknown> | undefined
    const contentFolder = () => (made ??= fs.mkdir(content))
    const writer = shardWriter(async index => {
      await contentFolder()
      return fs.open(within(content, shard(index)), 'wx+')
    }, maxShardBytes)
    const add = async (name: string, stored: StoredWeight): Promise<void> => {
      entries.push(describe(stored, name))
      await writer.write(stored.bytes)
    }
    const store = async (name: string, parameter: Parameter): Promise<void> => {
      const stored = storeWeight(name, parameter, manifest?.weights.get(name))
      if (isRefusal(stored)) refused.push({ name, ...stored })
      else if (refused.length === 0) await add(name, stored)
      shapes.set(name, parameter.shape)
    }
    return {
      write: async (name, parameter) => {
        take(name)
        if (topology?.constants.has(name)) last.set(name, parameter)
        else await store(name, parameter)
      },
      finish: async () => {
        if (refused.length > 0) throw refusal(refused)
        const others = topology ? otherShapes(shapes, manifest) : shapes
        const resized = topology && others.size > 0 ? topology.resize(others) : undefined
        for (const [name, parameter] of last) await store(name, resized?.numbers.get(name) ?? parameter)
        if (refused.length > 0) throw refusal(refused)
        for (const { name, ...kept } of keptOf(manifest)) await add(name, kept)
        await writer.close()
        await contentFolder()
        const groups = [{ paths: Array.from({ length: writer.count() }, (_, index) => shard(index)), weights: entries }]
        const json = isBare ? groups : { ...withProvenance(resized?.description ?? description, provenance), weightsManifest: groups }
        await writeFile(fs, within(content, jsonName), new TextEncoder().encode(JSON.stringify(json)))
        return { moves: [{ from: content, to: dir }] }
      },
      close: writer.close,
      reopen: async () => (await openTfjs(within(dir, jsonName), { fileSystem: fs })).params,
    }
  })
}
