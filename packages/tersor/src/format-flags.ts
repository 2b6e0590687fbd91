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
