import {
  byteLength,
  CompressionError,
  fromFloat32,
  toFloat32,
  type Dense,
  type Parameter,
  type ParameterSink,
  type ParameterStore,
} from '@tersor/tensor'
import { syncedAlong, within, writeFully } from '../files/file-system.js'
import type { Json } from '../files/json-text.js'
import { MARK, MARK_VALUE } from '../files/mark.js'
import { fileSink, type Unfinished } from '../files/output.js'
import { architectureOf, attentionOf, configToMetadata, expertCount, windowOf } from './config.js'
import { blockOf } from './block-widths.js'
import { encodeGgufHeader } from './encode-header.js'
import { EMBEDDINGS, factorsOf, foreseenInfos, isDerived, shapeInFile } from './foreseen.js'
import type { GgufValue, Metadata } from './header.js'
import { trackImportance, type Importance } from './importance.js'
import { toGgufPlace, type GgufPlace } from './names.js'
import { openGguf, PROVENANCE_KEY } from './open.js'
import { interleavedOrder, permuteRows } from './rope.js'
import { checkOptions, decodeWithTfjs, type GgufSinkOptions } from './sink-options.js'
import { ROUTER, typeOf } from './planned-type.js'
import { storeAsFloat32, storeTensor, type StoredTensor, type StoreOptions } from './store-tensor.js'
import { ROPE_FACTORS } from './tables/architectures.js'
import { fileTypeOf } from './tables/file-types.js'
import { MIXTURES } from './tables/mixtures.js'
import type { TensorTypeName } from './tables/tensor-types.js'
import { tensorData, type TensorData } from './tensor-data.js'
import { tokenizerWriter } from './write-tokenizer.js'

export type { GgufSinkOptions } from './sink-options.js'

/** How one parameter was stored. */
export interface GgufReport {
  readonly name: string
  readonly type: TensorTypeName
  readonly byteLength: number
  readonly lossless: boolean
  /** The type that was wanted, where the rows do not fill its blocks or the numbers are beyond its range. */
  readonly insteadOf?: TensorTypeName
  /** Whether values that were rounded before were rounded a second time. */
  readonly again?: boolean
  /** What a tree without a block type was, and its bytes, where it is stored as plain numbers. */
  readonly decompressed?: { readonly codec: string; readonly byteLength: number }
}

export interface GgufSink extends ParameterSink {
  /** `notes`: what the file has no place for, and what llama.cpp makes of it. */
  finish(): Promise<ParameterStore & { readonly report: readonly GgufReport[]; readonly notes: readonly string[] }>
}

/** What a tree was, where it takes more bytes as plain numbers. */
const decompressedOf = (parameter: Parameter, type: TensorTypeName, bytes: number): Pick<GgufReport, 'decompressed'> => {
  if (parameter.kind === 'dense' || !PLAIN_TYPES.has(type) || bytes <= byteLength(parameter)) return {}
  return { decompressed: { codec: parameter.codec.name, byteLength: byteLength(parameter) } }
}

const PLAIN_TYPES: ReadonlySet<string> = new Set(['f32', 'f16', 'bf16', 'f64'])

/** What another file says that holds of its own bytes only. */
const OF_THE_OTHER_FILE = /^(GGUF\.|split\.|quantize\.|tersor\.|general\.(alignment|file_type|quantization_version)$)/

/** Keys that hold whatever the tensors are; later ones go before. Throws UNSUPPORTED and BAD_OPTION. */
const fixedMetadata = ({ config, carried, metadata }: GgufSinkOptions): Metadata => {
  const kept = [...(carried ?? [])].filter(([key]) => !OF_THE_OTHER_FILE.test(key) && !key.startsWith('tokenizer.'))
  return new Map<string, GgufValue>([
    ...kept,
    ...configToMetadata(config),
    ['general.quantization_version', { type: 'u32', value: 2 }],
    ...(metadata ?? []),
  ])
}

/** How query and key rows must be ordered for llama.cpp; undefined for other parameters. Throws SHAPE. */
const rowOrder = (name: string, rows: number, config: Json): Uint32Array | undefined => {
  const projection = /\.self_attn\.([qk])_proj\./.exec(name)?.[1]
  if (projection === undefined || !architectureOf(config)[1].interleaved) return undefined
  const { heads, keyHeads } = attentionOf(config, blockOf(name))
  const count = projection === 'q' ? heads : keyHeads
  if (rows % (2 * count) === 0) return interleavedOrder(rows, count)
  throw new CompressionError('SHAPE', `"${name}" has ${rows} rows, which ${count} heads do not divide.`, 'Pass the config of this model.', {
    name,
  })
}

/** Stores a parameter with its rows in order: leaf by leaf, or after decoding where a tree's parts are not by rows. */
const storeInOrder = async (parameter: Parameter, order: Uint32Array | undefined, options: StoreOptions): Promise<StoredTensor> => {
  const permuted = order ? permuteRows(parameter, order) : parameter
  if (permuted) return storeTensor(permuted, options)
  const decode = async (tree: Parameter): Promise<Float32Array> =>
    toFloat32(permuteRows(fromFloat32(await options.decode(tree), 'f32', tree.shape), order!) as Dense)
  return storeTensor(parameter, { ...options, decode })
}

/** Types whose search no importance changes. */
const UNWEIGHED: ReadonlySet<string> = new Set([...PLAIN_TYPES, 'q8_0', 'mxfp4'])

/** Stores a parameter as the options want it under its name in the file. */
const storeNamed = (
  name: string,
  place: GgufPlace,
  parameter: Parameter,
  options: GgufSinkOptions,
  importance: Importance,
): Promise<StoredTensor> => {
  const { config, fallback = 'f16', decode = decodeWithTfjs } = options
  if (ROUTER.test(place.name)) return storeAsFloat32(parameter, { decode })
  const type = typeOf(options, place.name)
  const weighs = parameter.shape.length > 1 && type !== undefined && !UNWEIGHED.has(type)
  return storeInOrder(parameter, rowOrder(name, parameter.shape[0], config), {
    name,
    fallback,
    decode,
    type,
    importance: weighs ? importance.of(place, expertCount(config)) : undefined,
  })
}

/** Header and data into one file; they are that already where the header is as long as was foreseen. */
const join = async ({ fs, folder }: Unfinished, header: Uint8Array, data: TensorData): Promise<string> => {
  if (data.isInPlace(header.byteLength)) {
    await data.complete(header)
    return within(folder, 'data')
  }
  const path = within(folder, 'model.gguf')
  const file = syncedAlong(await fs.open(path, 'wx+'))
  try {
    await writeFully(file, header, 0)
    await data.copyTo(file, header.byteLength)
    await file.sync?.()
  } finally {
    await file.close()
  }
  return path
}

/** What llama.cpp makes of a window that it does not slide. */
const windowNotes = ({ config }: GgufSinkOptions): readonly string[] => {
  const window = windowOf(config)
  const context = config.max_position_embeddings
  if (window === null || architectureOf(config)[1].slides || (typeof context === 'number' && window >= context)) return []
  return [`llama.cpp slides no window in this architecture: beyond ${window} tokens it gives other results than the original`]
}

const fileTypeFor = ({ mixture }: GgufSinkOptions, report: readonly GgufReport[]): GgufValue => ({
  type: 'u32',
  value: mixture ? MIXTURES[mixture].fileType : fileTypeOf(report),
})

/** The last key of the file: what made its parameters. */
const provenanceEntries = ({ provenance }: Pick<Unfinished, 'provenance'>): readonly (readonly [string, GgufValue])[] => {
  return provenance.length > 0 ? [[PROVENANCE_KEY, { type: 'string', value: JSON.stringify(provenance) }]] : []
}

/**
 * Streams a model into a GGUF file that llama.cpp loads, named by the hub's names; it appears whole at the end or not at all.
 * Experts of a layer become one tensor, whatever order they come in.
 * Throws UNSUPPORTED (architecture, rope scaling, tokenizer), BAD_OPTION, BAD_FILE (a side file), BAD_DATA (importance of another model);
 * steps throw OUTPUT_EXISTS, DISK, UNSUPPORTED (a name without place), SHAPE, NOT_FINITE (what would be rounded) and BAD_DATA (a name twice,
 * a missing expert).
 */
export const ggufSink = (path: string, options: GgufSinkOptions): GgufSink => {
  const { config } = options
  checkOptions(options)
  const fixed = fixedMetadata(options)
  const tokenizerFor = tokenizerWriter(options)
  const importance = trackImportance(options.imatrix)
  return fileSink(path, options, unfinished => {
    const { fs, folder } = unfinished
    const report: GgufReport[] = []
    let notes: readonly string[] = []
    const metadataFor = (rows: number | undefined): Metadata => {
      const [name] = architectureOf(config)
      const tokenizer = tokenizerFor(rows)
      notes = [...tokenizer.notes, ...windowNotes(options)]
      return new Map<string, GgufValue>([
        [MARK, { type: 'string', value: MARK_VALUE }],
        ...fixed,
        ...(rows === undefined ? [] : [[`${name}.vocab_size`, { type: 'u32', value: rows }] as const]),
        ...tokenizer.metadata,
        ...(options.metadata ?? []),
        ['general.file_type', fileTypeFor(options, report)],
        ...provenanceEntries(unfinished),
      ])
    }
    const headerLength = (): number => {
      const infos = foreseenInfos(options)
      const rows = infos?.find(({ name }) => name === EMBEDDINGS)?.shape[0]
      return infos ? encodeGgufHeader(metadataFor(rows), infos).byteLength : 0
    }
    const data = tensorData(async () => syncedAlong(await fs.open(within(folder, 'data'), 'wx+')), expertCount(config), headerLength)
    return {
      write: async (name, parameter) => {
        if (isDerived(name, options)) return
        const place = toGgufPlace(name, expertCount(config) > 0)
        const { bytes, ...stored } = await storeNamed(name, place, parameter, options, importance)
        await data.add(place, shapeInFile(place, parameter.shape), { type: stored.type, bytes }, name)
        report.push({ name, byteLength: bytes.byteLength, ...stored, ...decompressedOf(parameter, stored.type, bytes.byteLength) })
      },
      finish: async () => {
        const factors = factorsOf(config)
        if (factors) {
          const { bytes } = fromFloat32(factors, 'f32', [factors.length])
          await data.add({ name: ROPE_FACTORS }, [factors.length], { type: 'f32', bytes }, ROPE_FACTORS)
        }
        const header = encodeGgufHeader(metadataFor(data.rowsOf(EMBEDDINGS)), data.infos())
        notes = [...notes, ...importance.notes()] // not before: a table that has no entry comes first
        return { moves: [{ from: await join(unfinished, header, data), to: path }] }
      },
      close: () => data.close(),
      reopen: async () => {
        const { params } = await openGguf(path, { fileSystem: fs })
        return Object.freeze({ ...params, report: Object.freeze(report), notes: Object.freeze(notes) })
      },
    }
  })
}
