import type { ParameterSink } from '@tersor/tensor'
import type { HuggingFaceSinkOptions } from './huggingface/sink.js'
import type { Refusal } from './files/refusal.js'
import { compressedTensorsLayout, type CompressedTensorsFormat } from './huggingface/quantized/pack-quantized-layout.js'
import type { PlannedLayer } from './huggingface/quantized/layout.js'
import { quantizedSink } from './huggingface/quantized/sink.js'

export type { CompressedTensorsFormat } from './huggingface/quantized/pack-quantized-layout.js'

/**
 * Streams a model into a compressed-tensors folder, as vLLM loads it: trees become packed codes, bytes or floats, with scales and zero points.
 * format: 'pack-quantized' (1 to 8 bits) or 'int-quantized' (8 bits) of affine trees; 'float-quantized' of `fp8`,
 * 'nvfp4-pack-quantized' of `nvfp4`, 'mxfp4-pack-quantized' of `mxfp4`; 'sparse-24-bitmask' of plain weights packed after 2:4 pruning.
 * Where absent each tree has its own, the first of these for affine ones. Matrices that stay plain are named under `ignore`.
 * The end throws UNSUPPORTED with all tensors that have no place; steps throw as `huggingFaceSink` does.
 */
export const compressedTensorsSink = (
  path: string,
  { format, ...options }: HuggingFaceSinkOptions & { readonly format?: CompressedTensorsFormat },
): ParameterSink => quantizedSink(path, compressedTensorsLayout(format), options)

/** Why a layer on a grid of codes would have no place in such a folder; undefined where it has one. Known before any work is done. */
export const whyNoCompressedTensors = (layer: PlannedLayer, format?: CompressedTensorsFormat): Refusal | undefined =>
  compressedTensorsLayout(format).refuses(layer)
