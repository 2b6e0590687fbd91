import type { Provenance } from '@tersor/core'
import { CompressionError, dense, fromFloat32, fromIntegers, storeOver, type Dense, type ParameterStore } from '@tersor/tensor'
import { badFile } from '../files/bad-file.js'
import { fileSource, readSmallFile, type ByteSource } from '../files/byte-source.js'
import { folderOf, within, type FileSystem } from '../files/file-system.js'
import { isRecord, parseJson, parseText, type Json } from '../files/json-text.js'
import { manifestOf, type Manifest, type WeightEntry } from './manifest.js'
import { withStrings } from './strings.js'

/** Topologies have some megabytes; this is far beyond. */
export const MAX_JSON_BYTES = 256 << 20
/** Layers nest in models that nest in models. */
export const MAX_JSON_DEPTH = 200

export interface TfjsModel {
  readonly params: ParameterStore & { close(): Promise<void> }
  /** What model.json holds besides the manifest: topology, format, signature; empty for a manifest by itself. */
  readonly description: Json
  readonly manifest: Manifest
  readonly provenance: readonly Provenance[]
  close(): Promise<void>
}

/** The key of `userDefinedMetadata` that says what was done. */
export const RECORD_KEY = 'tersor'

/** The files of a group, one behind the other. */
interface Shards {
  readonly size: number
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>
}

const shardsOf = (sources: readonly ByteSource[]): Shards => ({
  size: sources.reduce((sum, source) => sum + source.size, 0),
  read: async (offset, length, signal) => {
    const result = new Uint8Array(length)
    let start = 0
    for (const source of sources) {
      const [from, to] = [Math.max(offset, start), Math.min(offset + length, start + source.size)]
      if (from < to) result.set(await source.read(from - start, to - from, signal), from - offset)
      start += source.size
    }
    return result
  },
})

/** The numbers of quantized bytes as tfjs makes them: a product and a sum in doubles, rounded to float32 once, or to a whole number. */
const expand = (bytes: Uint8Array, { shape, dtype, quantization }: WeightEntry): Dense => {
  if (quantization === undefined || quantization.dtype === 'float16') throw new Error('Not a grid.')
  const { scale, min } = quantization
  const codes = quantization.dtype === 'uint8' ? bytes : new Uint16Array(bytes.slice().buffer)
  if (dtype === 'int32')
    return fromIntegers(
      Array.from(codes, code => Math.round(code * scale + min)),
      'i32',
      shape,
    )
  return fromFloat32(
    Float32Array.from(codes, code => code * scale + min),
    'f32',
    shape,
  )
}

const DTYPES = { float32: 'f32', int32: 'i32', bool: 'u8', complex64: 'c64', string: 'u8' } as const

/** As it is after reading. */
const dtypeAfter = ({ dtype, quantization }: WeightEntry): 'f32' | 'i32' | 'u8' | 'f16' | 'c64' =>
  quantization?.dtype === 'float16' ? 'f16' : DTYPES[dtype]

const storeOf = ({ weights }: Manifest, shards: readonly Shards[], close: () => Promise<void>): TfjsModel['params'] => {
  const params = storeOver(new Map([...weights].filter(([, { dtype }]) => dtype !== 'string')), {
    info: entry => ({ shape: entry.shape, dtype: dtypeAfter(entry), byteLength: entry.bytes }),
    read: async (entry, _name, signal) => {
      const bytes = await shards[entry.group].read(entry.offset, entry.bytes, signal)
      const isGrid = entry.quantization !== undefined && entry.quantization.dtype !== 'float16'
      return isGrid ? expand(bytes, entry) : dense(dtypeAfter(entry), entry.shape, bytes)
    },
    refusal: name =>
      weights.has(name)
        ? new CompressionError(
            'UNSUPPORTED',
            `The weight "${name}" holds strings, which are no numbers.`,
            'They are written again as they are; freeze the graph without its tables of words to be rid of them.',
            { name },
          )
        : undefined,
  })
  return Object.freeze({ ...params, close })
}

/** The files of all groups, and the manifest with what is found only in them. */
const openGroups = async (path: string, given: Manifest, sources: ByteSource[], fs?: FileSystem) => {
  const folder = folderOf(path).replace(/[/\\]$/, '')
  const all: Shards[] = []
  for (const { paths } of given.groups) {
    const own: ByteSource[] = []
    for (const each of paths) {
      const source = await fileSource(within(folder, each), fs)
      sources.push(source)
      own.push(source)
    }
    all.push(shardsOf(own))
  }
  const manifest = await withStrings(given, all)
  for (const [index, { paths, bytes }] of manifest.groups.entries())
    if (all[index].size !== bytes)
      throw badFile(`${path} promises ${bytes} bytes in ${paths.join(', ')}, but there are ${all[index].size}.`)
  return { shards: all, manifest }
}

const provenanceOf = ({ userDefinedMetadata }: Json): readonly Provenance[] => {
  const kept = isRecord(userDefinedMetadata) ? userDefinedMetadata[RECORD_KEY] : undefined
  const steps = isRecord(kept) && Array.isArray(kept.provenance) ? (kept.provenance as readonly unknown[]) : []
  return steps.filter((step): step is Provenance => isRecord(step) && typeof step.method === 'string' && isRecord(step.options))
}

/**
 * Opens a tfjs model: model.json of a graph or of layers, or a weights manifest by itself. Weights are read by range, one at a time, as the numbers
 * that tfjs expands them to: uint8 and uint16 to f32 (or i32), float16 to f16, bool to u8; `info` says the bytes in the file.
 * Strings are no parameters: they stay in the manifest, and whoever asks for them gets UNSUPPORTED.
 * Throws NOT_FOUND and DISK for files, BAD_FILE for what does not fit together.
 */
export const openTfjs = async (path: string, { fileSystem }: { readonly fileSystem?: FileSystem } = {}): Promise<TfjsModel> => {
  const bytes = await readSmallFile(path, MAX_JSON_BYTES, fileSystem)
  const { manifest: given, description } = manifestOf(parseJson(parseText(bytes, path), path, MAX_JSON_DEPTH))
  const sources: ByteSource[] = []
  const close = async (): Promise<void> => {
    await Promise.all(sources.map(source => source.close()))
  }
  try {
    const { shards, manifest } = await openGroups(path, given, sources, fileSystem)
    return Object.freeze({ params: storeOf(manifest, shards, close), description, manifest, provenance: provenanceOf(description), close })
  } catch (error) {
    await close()
    throw error
  }
}
