import { awqSink } from '@tersor/formats/awq'
import { compressedTensorsSink } from '@tersor/formats/compressed-tensors'
import { ggufSink, MIXTURES, type BlockTypeName, type MixtureName } from '@tersor/formats/gguf'
import { gptqSink } from '@tersor/formats/gptq'
import { huggingFaceSink, type HuggingFaceSinkOptions } from '@tersor/formats/huggingface'
import { openImatrix } from '@tersor/formats/imatrix'
import { onnxSink, type Onnx } from '@tersor/formats/onnx'
import { tfjsSink, type TfjsModel, type TfjsSinkOptions } from '@tersor/formats/tfjs'
import { onnxDecoderSink } from '@tersor/models'
import { CompressionError, type ParameterSink } from '@tersor/tensor'

export const OUTPUT_FORMATS = ['huggingface', 'gguf', 'gptq', 'awq', 'compressed-tensors', 'onnx', 'tfjs'] as const
export type OutputFormat = (typeof OUTPUT_FORMATS)[number]

/** What a format may be told. */
export interface FormatFlags {
  readonly format: OutputFormat
  /** GGUF: a block type, such as q4_k, or a mixture, such as Q4_K_M. */
  readonly type?: string
  /** GGUF: a file that weighs columns. */
  readonly imatrix?: string
}

/** A model in any of the formats. */
export type FormatOptions = Omit<HuggingFaceSinkOptions, 'config' | 'files'> & {
  /** As it is known when it is asked for. */
  readonly config: () => Readonly<Record<string, unknown>>
  /** Whether a head may come although the config says that the embedding is it. */
  readonly mayUntie?: boolean
  readonly files?: Readonly<Record<string, Uint8Array>>
  /** The graph that the model was imported from. */
  readonly source?: Onnx
  /** The tfjs model that it was imported from. */
  readonly tfjs?: Pick<TfjsModel, 'description' | 'manifest'>
}

type OpenSink = (path: string, options: FormatOptions) => ParameterSink

/** Mixtures are in capitals, types are not; the sink refuses what it does not know. */
const ggufTypeOf = (type: string | undefined): { readonly mixture?: MixtureName; readonly type?: BlockTypeName } => {
  if (type === undefined) return {}
  return Object.hasOwn(MIXTURES, type) ? { mixture: type as MixtureName } : { type: type as BlockTypeName }
}

const refuse = (option: string, format: OutputFormat): CompressionError =>
  new CompressionError('BAD_OPTION', `--${option} says nothing to the format ${format}.`, 'Pass it with --format gguf, or leave it out.', {
    option,
  })

/** Weights go back into the graph they came from; a language model becomes a graph. */
const openOnnxSink: OpenSink = (path, { source, config, files, ...options }) =>
  source ? onnxSink(path, { source, ...options }) : onnxDecoderSink(path, { rawConfig: config(), ...(files ? { files } : {}) }, options)

/** How the sinks of a format are opened; what it reads for that is read now. Throws BAD_OPTION and what `openImatrix` throws. */
export const sinkOf = async ({ format, type, imatrix }: FormatFlags): Promise<OpenSink> => {
  if (format !== 'gguf' && type !== undefined) throw refuse('type', format)
  if (format !== 'gguf' && imatrix !== undefined) throw refuse('imatrix', format)
  const weighed = imatrix === undefined ? {} : { imatrix: await openImatrix(imatrix) }
  const openers: Readonly<Record<OutputFormat, OpenSink>> = {
    huggingface: huggingFaceSink,
    gguf: (path, { config, ...options }) => ggufSink(path, { ...options, config: config(), ...ggufTypeOf(type), ...weighed }),
    gptq: gptqSink,
    awq: awqSink,
    'compressed-tensors': compressedTensorsSink,
    onnx: openOnnxSink,
    tfjs: (path, { tfjs, ...options }) => tfjsSink(path, { ...tfjs, ...options } as TfjsSinkOptions),
  }
  return openers[format]
}
