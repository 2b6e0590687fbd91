import type { ParameterStore } from '@tersor/tensor'
import { isRecord, type Json } from '../json-text.js'
import { awqLayers } from './awq-reader.js'
import { compressedTensorsLayers } from './compressed-tensors-reader.js'
import { gptqLayers } from './gptq-reader.js'
import { quantizedStore, type QuantizedLayer } from './reader.js'

type Layers = ReadonlyMap<string, QuantizedLayer>

/** How the layers of other tools are read, by `quant_method`. */
const READERS: Readonly<Record<string, (store: ParameterStore, config: Json) => Layers | Promise<Layers>>> = {
  gptq: gptqLayers,
  awq: awqLayers,
  'compressed-tensors': compressedTensorsLayers,
}

/** The store of a folder with the layers that another tool quantized as trees, and its config without that quantization; null where there is none. */
export const openQuantized = async (
  store: ParameterStore,
  config: Json,
): Promise<{ readonly params: ParameterStore; readonly config: Json } | null> => {
  const { quantization_config: quantization, ...rest } = config
  const method = isRecord(quantization) ? quantization.quant_method : undefined
  if (typeof method !== 'string' || !Object.hasOwn(READERS, method)) return null
  return { params: quantizedStore(store, await READERS[method](store, quantization as Json)), config: rest }
}
