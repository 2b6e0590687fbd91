import { FORMATS, type FormatName } from '@tersor/models/formats'
import type { FormatOptions } from '@tersor/models/internal/formats/format'

export type OutputFormat = FormatName
export const OUTPUT_FORMATS = Object.keys(FORMATS) as readonly OutputFormat[]

/** What plain weights may become. */
export const DENSE_DTYPES = ['f32', 'f16', 'bf16'] as const

/** How codes of weights stand in an ONNX graph. */
export const ONNX_FORMS = ['MatMulNBits', 'QDQ', 'dynamic'] as const

/** How layers stand in a GPTQ or compressed-tensors folder. */
export const CHECKPOINT_FORMATS = ['gptq', 'gptq_v2', 'pack-quantized', 'int-quantized'] as const

/** A format, and what it may be told. */
export interface FormatFlags extends FormatOptions {
  readonly format: OutputFormat
}
