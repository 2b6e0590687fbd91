import { CompressionError } from '@tersor/tensor'

export const OUTPUT_FORMATS = ['huggingface', 'gguf', 'gptq', 'awq', 'compressed-tensors', 'onnx', 'tfjs'] as const
export type OutputFormat = (typeof OUTPUT_FORMATS)[number]

/** What the weights of a Hugging Face folder may all become. */
export const DENSE_DTYPES = ['f32', 'f16', 'bf16'] as const

/** How codes of weights stand in an ONNX graph. */
export const ONNX_FORMS = ['MatMulNBits', 'QDQ', 'dynamic'] as const

/** How layers stand in a GPTQ or compressed-tensors folder. */
export const CHECKPOINT_FORMATS = ['gptq', 'gptq_v2', 'pack-quantized', 'int-quantized'] as const

/** What a format may be told. */
export interface FormatFlags {
  readonly format: OutputFormat
  /** GGUF: a block type, such as q4_k, or a mixture, such as Q4_K_M. */
  readonly type?: string
  /** GGUF: a file that weighs columns. */
  readonly imatrix?: string
  /** ONNX: how codes of weights are stored. */
  readonly form?: (typeof ONNX_FORMS)[number]
  /** GPTQ and compressed-tensors: how layers stand; by what they are where absent. */
  readonly checkpointFormat?: (typeof CHECKPOINT_FORMATS)[number]
}

/** What the end of a path says of the format of a file. */
const ENDINGS: Readonly<Record<string, OutputFormat>> = { '.gguf': 'gguf', '.onnx': 'onnx' }
/** Ends of files that no format is written as: a folder of that name would be taken for one. */
const NO_FOLDER = ['.safetensors', '.json', '.bin', '.pt', '.pth']

/** Flags with the format that is asked for, by --format or the end of --out; throws BAD_OPTION where the two contradict each other. */
export const inFormat = <F extends { readonly format?: OutputFormat; readonly out: string }>(
  flags: F,
): F & { readonly format: OutputFormat } => {
  const { format, out } = flags
  const ending = /\.[^./\\]+$/.exec(out.toLowerCase())?.[0] ?? ''
  const byEnding = ENDINGS[ending]
  if (NO_FOLDER.includes(ending) || (format && byEnding && format !== byEnding))
    throw new CompressionError(
      'BAD_OPTION',
      `--out ${out} names a file ${ending}, and ${NO_FOLDER.includes(ending) ? 'results are folders, .gguf or .onnx files' : `--format is ${format}`}.`,
      'Choose an --out that goes with the format.',
      { out },
    )
  return { ...flags, format: format ?? byEnding ?? 'huggingface' }
}
