import type { BlockTypeName, Metadata, MixtureName } from '@tersor/formats/gguf'
import type { HuggingFaceSinkOptions } from '@tersor/formats/huggingface'
import type { Onnx } from '@tersor/formats/onnx'
import type { TfjsModel, TfjsSinkOptions } from '@tersor/formats/tfjs'
import type { TextEncoder } from '@tersor/models'
import { CompressionError, type ParameterSink } from '@tersor/tensor'
import type { FormatFlags, OutputFormat } from './format-flags.js'

/** A model in any of the formats. */
export type FormatOptions = Omit<HuggingFaceSinkOptions, 'config' | 'files'> & {
  /** As it is known when it is asked for. */
  readonly config: () => Readonly<Record<string, unknown>>
  /** The same with every default filled in, for formats that leave nothing out. */
  readonly completeConfig?: () => Readonly<Record<string, unknown>>
  /** Whether a head may come although the config says that the embedding is it. */
  readonly mayUntie?: boolean
  readonly files?: Readonly<Record<string, Uint8Array>>
  /** All that the GGUF file that the model was read from says besides its weights. */
  readonly carried?: Metadata
  /** The model, where it is a text encoder: its head and parameters are not those of the config alone. */
  readonly encoder?: TextEncoder
  /** The graph that the model was imported from. */
  readonly source?: Onnx
  /** The tfjs model that it was imported from. */
  readonly tfjs?: Pick<TfjsModel, 'description' | 'manifest'>
}

type OpenSink = (path: string, options: FormatOptions) => ParameterSink

/** Which formats an option speaks to. */
const SPEAKS_TO = {
  type: ['gguf'],
  imatrix: ['gguf'],
  form: ['onnx'],
  checkpointFormat: ['gptq', 'compressed-tensors'],
} as const satisfies Partial<Record<keyof FormatFlags, readonly OutputFormat[]>>
type Option = keyof typeof SPEAKS_TO

/** Which checkpoint formats a format has. */
const HAS = { gptq: ['gptq', 'gptq_v2'], 'compressed-tensors': ['pack-quantized', 'int-quantized'] } as const

const flagOf = (option: Option): string => `--${option.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`

const refuse = (option: Option, format: OutputFormat): CompressionError =>
  new CompressionError(
    'BAD_OPTION',
    `${flagOf(option)} says nothing to the format ${format}.`,
    `Pass it with --format ${SPEAKS_TO[option].join(' or ')}, or leave it out.`,
    { option },
  )

/** The checkpoint format that was asked for, where the format has it; throws BAD_OPTION. */
const checkpointOf = <F extends keyof typeof HAS>(format: F, { checkpointFormat }: FormatFlags): (typeof HAS)[F][number] | undefined => {
  const known: readonly string[] = HAS[format]
  if (checkpointFormat === undefined || known.includes(checkpointFormat)) return checkpointFormat as (typeof HAS)[F][number] | undefined
  throw new CompressionError(
    'BAD_OPTION',
    `The format ${format} has no checkpoint format ${checkpointFormat}.`,
    `Pass --checkpoint-format ${known.join(' or ')}, or leave it out.`,
    { format, checkpointFormat },
  )
}

/** What a format needs to know before any work is done. */
type Open = (flags: FormatFlags) => Promise<OpenSink>

/** Mixtures are in capitals, types are not; the sink refuses what it does not know. */
const openGguf: Open = async ({ type, imatrix }) => {
  const { ggufSink, MIXTURES } = await import('@tersor/formats/gguf')
  const { openImatrix } = await import('@tersor/formats/imatrix')
  const isMixture = type !== undefined && Object.hasOwn(MIXTURES, type)
  const rounding = isMixture ? { mixture: type as MixtureName } : { type: type as BlockTypeName | undefined }
  const weighed = imatrix === undefined ? {} : { imatrix: await openImatrix(imatrix) }
  return (path, { config, completeConfig = config, ...options }) =>
    ggufSink(path, { ...options, config: completeConfig(), ...rounding, ...weighed })
}

/** Weights go back into the graph they came from; a language model or an encoder becomes a graph. */
const openOnnx: Open = async ({ form }) => {
  const { onnxSink } = await import('@tersor/formats/onnx')
  const { onnxDecoderSink } = await import('@tersor/models/onnx-decoder')
  const { onnxEncoderSink } = await import('@tersor/models/onnx-encoder')
  const stored = form ? { form } : {}
  return (path, { source, encoder, config, files, ...options }) => {
    if (source) return onnxSink(path, { source, ...options, ...stored })
    if (encoder) return onnxEncoderSink(path, encoder, { ...options, ...stored })
    return onnxDecoderSink(path, { rawConfig: config(), ...(files ? { files } : {}) }, { ...options, ...stored })
  }
}

const openTfjs: Open = async () => {
  const { tfjsSink } = await import('@tersor/formats/tfjs')
  return (path, { tfjs, ...options }) => tfjsSink(path, { ...tfjs, ...options } as TfjsSinkOptions)
}

/** Formats by name, loaded when they are asked for. */
const FORMATS: Readonly<Record<OutputFormat, Open>> = {
  huggingface: async () => (await import('@tersor/formats/huggingface')).huggingFaceSink,
  gguf: openGguf,
  gptq: async flags => {
    const { gptqSink } = await import('@tersor/formats/gptq')
    const version = checkpointOf('gptq', flags)
    return (path, options) => gptqSink(path, { ...options, ...(version ? { version } : {}) })
  },
  awq: async () => (await import('@tersor/formats/awq')).awqSink,
  'compressed-tensors': async flags => {
    const { compressedTensorsSink } = await import('@tersor/formats/compressed-tensors')
    const format = checkpointOf('compressed-tensors', flags)
    return (path, options) => compressedTensorsSink(path, { ...options, ...(format ? { format } : {}) })
  },
  onnx: openOnnx,
  tfjs: openTfjs,
}

/** How the sinks of a format are opened; what it reads for that is read now. Throws BAD_OPTION and what `openImatrix` throws. */
export const sinkOf = async (flags: FormatFlags): Promise<OpenSink> => {
  const { format } = flags
  for (const option of Object.keys(SPEAKS_TO) as Option[])
    if (flags[option] !== undefined && !(SPEAKS_TO[option] as readonly OutputFormat[]).includes(format)) throw refuse(option, format)
  return FORMATS[format](flags)
}
