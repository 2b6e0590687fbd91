import type { ParameterSink } from '@tersor/tensor'
import { awqLayout } from './huggingface/quantized/awq-layout.js'
import type { PlannedLayer } from './huggingface/quantized/layout.js'
import { quantizedSink } from './huggingface/quantized/sink.js'
import type { HuggingFaceSinkOptions } from './huggingface/sink.js'
import type { Refusal } from './files/refusal.js'

/**
 * Streams a model into an AWQ folder of the "gemm" layout, as transformers and vLLM load it: affine trees of 4 bits become qweight, qzeros and scales.
 * The end throws UNSUPPORTED with all tensors that have no place; steps throw as `huggingFaceSink` does.
 */
export const awqSink = (path: string, options: HuggingFaceSinkOptions): ParameterSink => quantizedSink(path, awqLayout, options)

/** Why a layer on a grid of codes would have no place in such a folder; undefined where it has one. Known before any work is done. */
export const whyNoAwq = (layer: PlannedLayer): Refusal | undefined => awqLayout.refuses(layer)
