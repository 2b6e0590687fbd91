import type { ParameterSink } from '@tersor/tensor'
import { gptqLayout, type GptqVersion } from './huggingface/quantized/gptq-layout.js'
import type { PlannedLayer } from './huggingface/quantized/layout.js'
import { quantizedSink } from './huggingface/quantized/sink.js'
import type { HuggingFaceSinkOptions } from './huggingface/sink.js'
import type { Refusal } from './files/refusal.js'

export type { GptqVersion } from './huggingface/quantized/gptq-layout.js'

/**
 * Streams a model into a GPTQ folder, as transformers and vLLM load it: affine trees of 2, 3, 4 or 8 bits become qweight, qzeros, scales and g_idx.
 * version: 'gptq' (zeros stored less one) or 'gptq_v2'; where absent, the first if the first layer is symmetric, else the second, which GPTQModel wants.
 * Matrices that stay plain are named under `dynamic`, so that loaders leave them alone.
 * The end throws UNSUPPORTED with all tensors that have no place; steps throw as `huggingFaceSink` does.
 */
export const gptqSink = (
  path: string,
  { version, ...options }: HuggingFaceSinkOptions & { readonly version?: GptqVersion },
): ParameterSink => quantizedSink(path, gptqLayout(version), options)

/** Why a layer on a grid of codes would have no place in such a folder; undefined where it has one. Known before any work is done. */
export const whyNoGptq = (layer: PlannedLayer, version?: GptqVersion): Refusal | undefined => gptqLayout(version).refuses(layer)

export type { PlannedLayer } from './huggingface/quantized/layout.js'
