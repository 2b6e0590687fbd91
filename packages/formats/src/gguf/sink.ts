import { decode as decodeTree, type Provenance } from '@tersor/core'
import {
  CompressionError,
  fromFloat32,
  toFloat32,
  type Dense,
  type Parameter,
  type ParameterSink,
  type ParameterStore,
} from '@tersor/tensor'
import { copyRange, within, writeFully, type OpenFile } from '../file-system.js'
import type { Json } from '../json-text.js'
import { parseObject } from '../huggingface/open.js'
import { importanceOf, type Imatrix } from '../imatrix/imatrix.js'
import { MARK, MARK_VALUE } from '../mark.js'
import { createOutput, type Output, type OutputOptions } from '../output.js'
import { architectureOf, attentionOf, configToMetadata, ropeOf } from './config.js'
import { aligned, encodeGgufHeader, type TensorInfo } from './encode-header.js'
import type { GgufValue, Metadata } from './header.js'
import { toGgufName } from './names.js'
import { openGguf, PROVENANCE_KEY } from './open.js'
import { interleavedOrder, permuteRows } from './rope.js'
import { ropeFactors } from './rope-factors.js'
import { storeTensor, type Fallback, type StoredTensor, type StoreOptions } from './store-tensor.js'
import { ROPE_FACTORS } from './tables/architectures.js'
import { fileTypeOf } from './tables/file-types.js'
import { MIXTURES, typeInMixture, type MixtureName } from './tables/mixtures.js'
import { TENSOR_TYPES, type BlockTypeName, type TensorTypeName } from './tables/tensor-types.js'
import { tokenizerToMetadata } from './tokenizer.js'

export interface GgufSinkOptions extends OutputOptions {
  readonly config: Json
  /** Side files as `openHuggingFace` gives them; tokenizer.json and tokenizer_config.json become metadata. */
  readonly files?: Readonly<Record<string, Uint8Array>>
  /** Whether a head may come although the config says that the embedding is it: then it is written too. */
  readonly mayUntie?: boolean
  /** More metadata, such as general.name; it goes before what config and tokenizer say. */
  readonly metadata?: Metadata
  /** The steps that made the parameters; asked for at the end where it is a function. */
  readonly provenance?: readonly Provenance[] | (() => readonly Provenance[])
  /** What trees become that no block type holds without loss; f16 where absent. */
  readonly fallback?: Fallback
  /** What matrices become that are no block type already; plain ones stay as they are where absent. */
  readonly type?: BlockTypeName | undefined
  /** Instead of one type, one of llama.cpp's mixtures, such as Q4_K_M. */
  readonly mixture?: MixtureName | undefined
  /** Weighs the columns of matrices that are quantized; openImatrix of @tersor/formats/imatrix reads one. */
  readonly imatrix?: Pick<Imatrix, 'entries'>
  /** The values of such a tree; decodes with tfjs where absent. */
  readonly decode?: (parameter: Parameter) => Promise<Float32Array>
}

/** How one parameter was stored. */
export interface GgufReport {
  readonly name: string
  readonly type: TensorTypeName
  readonly byteLength: number
  readonly lossless: boolean
  /** The type that was wanted, where the rows do not fill its blocks. */
  readonly insteadOf?: TensorTypeName
}

export interface GgufSink extends ParameterSink {
  finish(): Promise<ParameterStore & { readonly report: readonly GgufReport[] }>
}

/** Decodes on tfjs's backend; throws NO_ENGINE where it has none. */
const decodeWithTfjs = async (parameter: Parameter): Promise<Float32Array> => {
  try {
    const tensor = decodeTree(parameter)
    const values = await tensor.data()
    tensor.dispose()
    return Float32Array.from(values)
  } catch (cause) {
    if (!(cause as Error).message.startsWith('No backend found')) throw cause
    const remedy = 'Call selectEngine() of @tersor/kernels first, or pass decode.'
    throw new CompressionError('NO_ENGINE', 'A tree that no block type holds must be decoded, but tfjs has no backend.', remedy, {}, cause)
  }
}

const checkType = (type: BlockTypeName | undefined): void => {
  if (type === undefined || (Object.hasOwn(TENSOR_TYPES, type) && 'format' in TENSOR_TYPES[type])) return
  const types = Object.entries(TENSOR_TYPES).flatMap(([name, row]) => ('format' in row ? [name] : []))
  throw new CompressionError('BAD_OPTION', `There is no block type "${String(type)}".`, `Types are ${types.join(', ')}.`, { type })
}

const checkMixture = ({ mixture, type }: GgufSinkOptions): void => {
  if (mixture === undefined) return
  if (type !== undefined)
    throw new CompressionError('BAD_OPTION', `Both the type ${type} and the mixture ${mixture} are given.`, 'Choose one of the two.', {
      type,
    })
  if (Object.hasOwn(MIXTURES, mixture)) return
  const known = Object.keys(MIXTURES).join(', ')
  throw new CompressionError('BAD_OPTION', `There is no mixture "${String(mixture)}".`, `Mixtures are ${known}.`, { mixture })
}

/** What a matrix becomes, by its name in the file. */
const typeOf = ({ type, mixture, config, imatrix }: GgufSinkOptions, ggufName: string): BlockTypeName | undefined => {
  if (mixture === undefined) return type
  const { heads, keyHeads } = attentionOf(config)
  const place = { layers: config.num_hidden_layers as number, group: heads / keyHeads, weighed: imatrix !== undefined }
  return typeInMixture(mixture, ggufName, config.tie_word_embeddings === true, place)
}

const parseFile = (files: Readonly<Record<string, Uint8Array>>, name: string): Json | undefined =>
  files[name] && parseObject(files[name], name)

/** Keys that hold whatever the tensors are. Throws UNSUPPORTED and BAD_OPTION. */
const fixedMetadata = ({ config, files = {}, metadata }: GgufSinkOptions): Metadata => {
  const tokenizer = parseFile(files, 'tokenizer.json')
  const tokenizerConfig = parseFile(files, 'tokenizer_config.json') ?? {}
  return new Map<string, GgufValue>([
    ...configToMetadata(config),
    ...(tokenizer
      ? tokenizerToMetadata({ tokenizer, tokenizerConfig, config })
      : [['tokenizer.ggml.model', { type: 'string', value: 'no_vocab' }] as const]),
    ['general.quantization_version', { type: 'u32', value: 2 }],
    ...(metadata ?? []),
  ])
}

/** How query and key rows must be ordered for llama.cpp; undefined for other parameters. Throws SHAPE. */
const rowOrder = (name: string, rows: number, config: Json): Uint32Array | undefined => {
  const projection = /\.self_attn\.([qk])_proj\./.exec(name)?.[1]
  if (projection === undefined || !architectureOf(config)[1].interleaved) return undefined
  const { heads, keyHeads } = attentionOf(config)
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

/** Stores a parameter as the options want it under its name in the file. */
const storeNamed = (name: string, ggufName: string, parameter: Parameter, options: GgufSinkOptions): Promise<StoredTensor> => {
  const { config, fallback = 'f16', decode = decodeWithTfjs, imatrix } = options
  const entry = imatrix?.entries.get(ggufName)
  const importance = entry && importanceOf(entry)
  return storeInOrder(parameter, rowOrder(name, parameter.shape[0], config), {
    fallback,
    decode,
    type: typeOf(options, ggufName),
    importance,
  })
}

/** Header and data into one file. */
const join = async (output: Output, header: Uint8Array, data: OpenFile, length: number): Promise<string> => {
  const path = within(output.folder, 'model.gguf')
  const file = await output.fs.open(path, 'wx+')
  try {
    await writeFully(file, header, 0)
    await copyRange(data, 0, file, header.byteLength, length)
    await file.sync?.()
  } finally {
    await file.close()
  }
  return path
}

/** Parameters that llama.cpp makes itself. */
const isDerived = (name: string, { config, mayUntie = false }: GgufSinkOptions): boolean =>
  name.endsWith('.rotary_emb.inv_freq') || (name === 'lm_head.weight' && config.tie_word_embeddings === true && !mayUntie)

/**
 * Streams a model into a GGUF file that llama.cpp loads, named by the hub's names; it appears whole at the end or not at all.
 * Throws UNSUPPORTED (architecture, rope scaling, tokenizer), BAD_OPTION, BAD_FILE (a side file);
 * steps throw OUTPUT_EXISTS, DISK, UNSUPPORTED (a name without place), SHAPE and BAD_DATA (a name twice).
 */
export const ggufSink = (path: string, options: GgufSinkOptions): GgufSink => {
  const { config } = options
  checkType(options.type)
  checkMixture(options)
  const fixed = fixedMetadata(options)
  const output = createOutput(path, options)
  const infos: TensorInfo[] = []
  const report: GgufReport[] = []
  let data: OpenFile | undefined
  let length = 0

  const append = async (name: string, ggufName: string, parameter: Parameter): Promise<void> => {
    if (infos.some(info => info.name === ggufName))
      throw new CompressionError('BAD_DATA', `The name "${name}" is taken already.`, 'Write every parameter once.', { name })
    const { bytes, ...stored } = await storeNamed(name, ggufName, parameter, options)
    data ??= await output.fs.open(within(output.folder, 'data'), 'wx+')
    await writeFully(data, bytes, length)
    infos.push({ name: ggufName, type: stored.type, shape: parameter.shape, offset: length })
    report.push({ name, byteLength: bytes.byteLength, ...stored })
    const end = length + bytes.byteLength
    length = aligned(end)
    await writeFully(data, new Uint8Array(length - end), end)
  }
  const write = async (name: string, parameter: Parameter): Promise<void> => {
    if (isDerived(name, options)) return
    await append(name, toGgufName(name), parameter)
  }
  const finish = async (): Promise<void> => {
    const { scaling, type, theta } = ropeOf(config)
    if (type === 'llama3') {
      const factors = ropeFactors(scaling!, attentionOf(config).size, theta)
      await append(ROPE_FACTORS, ROPE_FACTORS, fromFloat32(factors, 'f32', [factors.length]))
    }
    const provenance = typeof options.provenance === 'function' ? options.provenance() : (options.provenance ?? [])
    const mark = [MARK, { type: 'string', value: MARK_VALUE }] as const
    const metadata = new Map<string, GgufValue>([mark, ...fixed]).set('general.file_type', {
      type: 'u32',
      value: options.mixture ? MIXTURES[options.mixture].fileType : fileTypeOf(report),
    })
    if (provenance.length > 0) metadata.set(PROVENANCE_KEY, { type: 'string', value: JSON.stringify(provenance) })
    data ??= await output.fs.open(within(output.folder, 'data'), 'wx+')
    const file = await join(output, encodeGgufHeader(metadata, infos), data, length)
    await data.close()
    await output.publish([{ from: file, to: path }])
  }
  const close = async (): Promise<void> => data?.close().catch(() => {})
  const step = <T>(work: () => Promise<T>): Promise<T> =>
    output.step(() => work().catch((error: unknown) => close().then(() => Promise.reject(error))))
  return Object.freeze({
    write: (name: string, parameter: Parameter) => step(() => write(name, parameter)),
    finish: async () => {
      await step(finish)
      const { params } = await openGguf(path, { fileSystem: output.fs })
      return Object.freeze({ ...params, report: Object.freeze(report) })
    },
    abort: async () => {
      await output.abort()
      await close()
    },
  })
}
