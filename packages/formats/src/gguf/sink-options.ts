import { decode as decodeTree } from '@tersor/core/decode'
import { CompressionError, type Parameter, type Shape } from '@tersor/tensor'
import type { Json } from '../files/json-text.js'
import type { Imatrix } from './imatrix/imatrix.js'
import type { SinkOptions } from '../files/output.js'
import type { Metadata } from './header.js'
import { PLAIN, type Fallback, type MatrixTypeName } from './store-tensor.js'
import { MIXTURES, type MixtureName } from './tables/mixtures.js'
import { TENSOR_TYPES } from './tables/tensor-types.js'

export interface GgufSinkOptions extends SinkOptions {
  readonly config: Json
  /** Side files as `openHuggingFace` gives them: tokenizer, chat templates and generation_config.json become metadata. */
  readonly files?: Readonly<Record<string, Uint8Array>>
  /** The metadata of the GGUF file that the model came from: what the new file does not say itself is kept, the tokenizer as a whole. */
  readonly carried?: Metadata
  /** More metadata, such as general.name; it goes before what config and tokenizer say. */
  readonly metadata?: Metadata
  /** What trees become that no block type holds without loss; f16 where absent. */
  readonly fallback?: Fallback
  /** What matrices become; plain ones and those that are a block type already stay as they are where absent. */
  readonly type?: MatrixTypeName | undefined
  /** Instead of one type, one of llama.cpp's mixtures, such as Q4_K_M. */
  readonly mixture?: MixtureName | undefined
  /** Weighs the columns of matrices that are quantized; openImatrix of @tersor/formats/imatrix reads one. */
  readonly imatrix?: Pick<Imatrix, 'entries'>
  /** Names and shapes of all parameters in the order in which they will come: where they come so, data is written once, in its place. */
  readonly shapes?: readonly (readonly [name: string, shape: Shape])[]
  /** The values of such a tree; decodes with tfjs where absent. */
  readonly decode?: (parameter: Parameter) => Promise<Float32Array>
}

/** Decodes on tfjs's backend; throws NO_ENGINE where it has none. */
export const decodeWithTfjs = async (parameter: Parameter): Promise<Float32Array> => {
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

/** What all matrices may become. */
export const MATRIX_TYPES: readonly string[] = Object.freeze(
  Object.entries(TENSOR_TYPES).flatMap(([name, row]) => ('format' in row || PLAIN.includes(name) ? [name] : [])),
)

const checkType = (type: MatrixTypeName | undefined): void => {
  if (type === undefined || MATRIX_TYPES.includes(type)) return
  throw new CompressionError('BAD_OPTION', `There is no type "${String(type)}" for matrices.`, `Types are ${MATRIX_TYPES.join(', ')}.`, {
    type,
  })
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

/** Throws BAD_OPTION for types and mixtures that do not exist. */
export const checkOptions = (options: GgufSinkOptions): void => {
  checkType(options.type)
  checkMixture(options)
}
