import type { ParameterSink } from '@tersor/tensor'
import type { HuggingFaceSinkOptions } from './huggingface/sink.js'
import { compressedTensorsLayout, type CompressedTensorsFormat } from './quantized-folder/pack-quantized-layout.js'
import { quantizedSink } from './quantized-folder/sink.js'

export type { CompressedTensorsFormat } from './quantized-folder/pack-quantized-layout.js'

/**
 * Streams a model into a compressed-tensors folder, as vLLM loads it: affine trees become weight_packed or bytes, with scales and zero points.
 * format: 'pack-quantized' (the default, 1 to 8 bits) or 'int-quantized' (8 bits).
 * The end throws UNSUPPORTED with all tensors that have no place; steps throw as `huggingFaceSink` does.
 */
export const compressedTensorsSink = (
  path: string,
  { format = 'pack-quantized', ...options }: HuggingFaceSinkOptions & { readonly format?: CompressedTensorsFormat },
): ParameterSink => quantizedSink(path, compressedTensorsLayout(format), options)
