import type { Provenance } from '@tersor/core'
import { blocksToTree } from '@tersor/core/block-trees'
import { CompressionError, dense, DTYPES, fromFloat32, storeOver, toFloat32, type Parameter, type ParameterStore } from '@tersor/tensor'
import { badFile } from '../files/bad-file.js'
import { openSource, type ByteSource } from '../files/byte-source.js'
import type { FileSystem } from '../files/file-system.js'
import type { Json } from '../files/json-text.js'
import { parseProvenance } from '../files/provenance.js'
import { blockOf } from './block-widths.js'
import { attentionOf, expertCount } from './config.js'
import { MAX_GGUF_HEADER_BYTES, parseGgufHeader, type GgufHeader, type GgufTensor, type Metadata } from './header.js'
import { expertNames, toHubName } from './names.js'
import { metadataToConfig } from './read-config.js'
import { halvesOrder, permuteRows } from './rope.js'
import { scalingOf } from './rope-factors.js'
import { partsOf, tensorsOf, type Part, type SourcedTensor } from './split-files.js'
import { ARCHITECTURES, ROPE_FACTORS } from './tables/architectures.js'
import { TENSOR_TYPES, type BlockTypeName, type TensorType, type TensorTypeName } from './tables/tensor-types.js'
import { metadataToTokenizer } from './tokenizer.js'

/** A GGUF file: a model in one file, as llama.cpp runs it. */
export interface Gguf {
  readonly metadata: Metadata
  /** Named and ordered as on the Hugging Face hub where the architecture is known, as in the file otherwise. */
  readonly params: ParameterStore
  /** What config.json would say; absent for architectures that are not known. */
  readonly config?: Json
  /** What tokenizer.json would say; absent for tokenizers that are not byte-pair. */
  readonly tokenizer?: Json
  /** tokenizer.json and tokenizer_config.json as files of a Hugging Face folder. */
  readonly files: Readonly<Record<string, Uint8Array>>
  readonly provenance: readonly Provenance[]
  close(): Promise<void>
}

/** Where the provenance is kept, as JSON. */
export const PROVENANCE_KEY = 'tersor.provenance'

const FIRST_READ_BYTES = 1 << 20

/** Reads as much as the header needs, starting small; throws BAD_FILE beyond the limit. */
export const readHeader = async (source: ByteSource, limit = MAX_GGUF_HEADER_BYTES): Promise<GgufHeader> => {
  for (let length = FIRST_READ_BYTES; ; length *= 4) {
    const bytes = await source.read(0, Math.min(length, source.size))
    const header = parseGgufHeader(bytes, source.size)
    if (header) return header
    if (length >= limit) throw badFile(`The header is longer than ${limit} bytes.`, 'Check that it is the right file.', { limit })
  }
}

/** Types that come as trees, which kernels multiply as they are; the values of the others come decoded. */
const AS_TREES: readonly TensorTypeName[] = ['q4_0', 'q5_0', 'q8_0']

/** What a tensor's bytes are as a parameter: plain, a tree with the same codes, or the values where no tree holds them. */
const parameterOf = ({ type, shape }: GgufTensor, bytes: Uint8Array): Parameter => {
  const { dtype, format }: TensorType = TENSOR_TYPES[type]
  if (!format) return dense(dtype!, shape, bytes)
  return AS_TREES.includes(type) ? blocksToTree(type as BlockTypeName, bytes, shape) : fromFloat32(format.decode(bytes), 'f32', shape)
}

/** The order that turns a parameter's rows from pairs into halves; undefined where none is needed. */
type RowOrder = (name: string, rows: number) => Uint32Array | undefined

const rowOrderOf = (architecture: unknown, config: Json | undefined): RowOrder => {
  if (!config || !ARCHITECTURES[architecture as string]?.interleaved) return () => undefined
  return (name, rows) => {
    const projection = /\.self_attn\.([qk])_proj\./.exec(name)?.[1]
    if (projection === undefined) return undefined
    const { heads, keyHeads } = attentionOf(config, blockOf(name))
    const count = projection === 'q' ? heads : keyHeads
    if (rows % (2 * count) !== 0)
      throw badFile(`Tensor "${name}" has ${rows} rows, which ${count} heads do not divide.`, undefined, { name })
    return halvesOrder(rows, count)
  }
}

const storeOf = (tensors: ReadonlyMap<string, SourcedTensor>, orderOf: RowOrder, close: () => Promise<void>): ParameterStore =>
  storeOver(tensors, {
    info: ({ type, shape, byteLength }) => {
      const { dtype }: TensorType = TENSOR_TYPES[type]
      if (AS_TREES.includes(type)) return { shape, byteLength, codec: 'affine' }
      return dtype ? { shape, byteLength, dtype } : { shape, byteLength, dtype: 'f32' as const, storedAs: type }
    },
    read: async (tensor, name, signal) => {
      const order = tensor.byteLength > 0 ? orderOf(name, tensor.shape[0]) : undefined
      const parameter = parameterOf(tensor, await tensor.source.read(tensor.offset, tensor.byteLength, signal))
      return order ? permuteRows(parameter, order)! : parameter
    },
    close,
  })

/** Beyond what any network has: more must take the room of experts, since each gets a name, whatever the file holds. */
const FEW_EXPERTS = 1024
/** Bytes of a matrix that is none. */
const SMALLEST_EXPERT = 64

/** One expert after the other, as tensors of their own. Throws BAD_FILE where there are not as many as the config says. */
const unstack = (name: string, tensor: SourcedTensor, hubName: (expert: number) => string, count: number) => {
  const { shape, byteLength, offset } = tensor
  if (shape.length !== 3 || shape[0] !== count)
    throw badFile(`Tensor "${name}" has the shape [${shape.join(', ')}], which is no stack of ${count} experts.`, undefined, { name })
  if (count > FEW_EXPERTS && byteLength < SMALLEST_EXPERT * count)
    throw badFile(`Tensor "${name}" stacks ${count} experts in ${byteLength} bytes.`, undefined, { name })
  const size = byteLength / count
  return Array.from({ length: count }, (_, expert) => {
    return [hubName(expert), { ...tensor, shape: shape.slice(1), offset: offset + expert * size, byteLength: size }] as const
  })
}

/** A gate of the experts that every token takes is a matrix of one row on the hub. */
const asMatrix = (name: string, tensor: SourcedTensor): SourcedTensor =>
  name.endsWith('.shared_expert_gate.weight') && tensor.shape.length === 1 ? { ...tensor, shape: [1, tensor.shape[0]] } : tensor

const hubNames = (tensors: ReadonlyMap<string, SourcedTensor>, config: Json, architecture: string): ReadonlyMap<string, SourcedTensor> => {
  const count = expertCount(config)
  const experts = count > 0 ? ARCHITECTURES[architecture].experts : undefined
  return new Map(
    [...tensors].flatMap(([name, tensor]) => {
      if (name === ROPE_FACTORS) return []
      const stacked = experts && expertNames(name, experts)
      if (stacked) return unstack(name, tensor, stacked, count)
      const hub = toHubName(name, experts) ?? name
      return [[hub, asMatrix(hub, tensor)] as const]
    }),
  )
}

/** The config with the scaling that the file's tensor of factors stands for. */
const withFactors = async (config: Json, tensor: SourcedTensor | undefined): Promise<Json> => {
  if (!tensor) return config
  const values = parameterOf(tensor, await tensor.source.read(tensor.offset, tensor.byteLength))
  const size = config.head_dim as number
  if (values.kind !== 'dense' || DTYPES[values.dtype].kind !== 'float' || values.shape.length !== 1 || values.shape[0] !== size / 2)
    throw badFile(`${ROPE_FACTORS} is not a list of ${size / 2} numbers.`)
  const factors = toFloat32(fromFloat32(toFloat32(values), 'f32', values.shape))
  if (!factors.every(factor => factor > 0 && factor < Infinity)) throw badFile(`${ROPE_FACTORS} holds a factor that is not above zero.`)
  const scaling = scalingOf(factors, size, config.rope_theta as number, config.max_position_embeddings as number)
  if (config.rope_scaling === null || scaling === null) return { ...config, rope_scaling: scaling ?? config.rope_scaling }
  throw new CompressionError('UNSUPPORTED', 'The file scales its rotary angles by a key and by factors.', 'Run this file in llama.cpp.')
}

/** Keys of the tokens that end a text. */
const ENDS = ['eos', 'eot', 'eom'].map(name => `tokenizer.ggml.${name}_token_id`)

/** What generation_config.json says of a file: the tokens that end a text, of which config.json has room for one. */
const generationOf = (metadata: Metadata): Json | undefined => {
  const ends = ENDS.map(key => metadata.get(key)?.value).filter(id => typeof id === 'number')
  return ends.length > 1 ? { eos_token_id: [...new Set(ends)] } : undefined
}

const toFile = (json: Json): Uint8Array => new TextEncoder().encode(JSON.stringify(json, null, 2))

const filesOf = (metadata: Metadata, tokenizer: ReturnType<typeof metadataToTokenizer>): Gguf['files'] => {
  const generation = generationOf(metadata)
  return {
    ...(tokenizer ? { 'tokenizer.json': toFile(tokenizer.tokenizer), 'tokenizer_config.json': toFile(tokenizer.tokenizerConfig) } : {}),
    ...(generation ? { 'generation_config.json': toFile(generation) } : {}),
  }
}

const assemble = async (parts: readonly Part[]): Promise<Gguf> => {
  const [{ header }] = parts
  const { metadata } = header
  const tensors = tensorsOf(parts)
  const architecture = metadata.get('general.architecture')?.value
  const plainConfig = metadataToConfig(metadata, tensors.keys())
  const config = plainConfig && (await withFactors(plainConfig, tensors.get(ROPE_FACTORS)))
  const tokenizer = metadataToTokenizer(metadata)
  const close = async (): Promise<void> => void (await Promise.all(parts.map(({ source }) => source.close())))
  return Object.freeze({
    metadata,
    params: storeOf(config ? hubNames(tensors, config, architecture as string) : tensors, rowOrderOf(architecture, config), close),
    ...(config ? { config } : {}),
    ...(tokenizer ? { tokenizer: tokenizer.tokenizer } : {}),
    files: filesOf(metadata, tokenizer),
    provenance: parseProvenance(metadata.get(PROVENANCE_KEY)?.value, PROVENANCE_KEY),
    close,
  })
}

/**
 * Opens a GGUF file or a Blob of one, and with one part of a model that is split over files the others beside it; only headers are read until
 * `params.read`. Quantized tensors come as affine trees where one holds the same codes, else decoded.
 * Throws NOT_FOUND, BAD_FILE, UNSUPPORTED (a version, tensor type or setting) and DISK.
 */
export const openGguf = async (from: string | Blob, { fileSystem }: { readonly fileSystem?: FileSystem } = {}): Promise<Gguf> => {
  const source = await openSource(from, fileSystem)
  let parts: readonly Part[] = []
  try {
    parts = await partsOf(from, { source, header: await readHeader(source) }, part => readHeader(part), fileSystem)
    return await assemble(parts)
  } catch (error) {
    await Promise.all([source, ...parts.map(part => part.source).filter(other => other !== source)].map(each => each.close()))
    throw error
  }
}
