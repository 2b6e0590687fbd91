import { has } from './reader.js'
import type { ParameterStore } from '@tersor/tensor'
import type { Json } from '../../files/json-text.js'

/** Files beside config.json in which tools describe a quantization, and what they say in the words of a config. */
export const DESCRIPTIONS: Readonly<Record<string, (description: Json) => Json>> = {
  // AutoGPTQ, through 2023 the only place
  'quantize_config.json': description => ({ quant_method: 'gptq', ...description }),
  // AutoAWQ, in names of its own
  'quant_config.json': ({ w_bit: bits, q_group_size: group, version = 'gemm', ...rest }) => ({
    ...{ quant_method: 'awq', bits, group_size: group },
    ...{ version: typeof version === 'string' ? version.toLowerCase() : version },
    ...rest,
  }),
  // TensorRT Model Optimizer
  'hf_quant_config.json': description => ({ quant_method: 'modelopt', ...description }),
}

/** The first description that a file gives; undefined where there is none. */
export const describedBeside = (beside: Readonly<Record<string, Json>>): Json | undefined => {
  const name = Object.keys(DESCRIPTIONS).find(file => beside[file] !== undefined)
  return name === undefined ? undefined : DESCRIPTIONS[name](beside[name])
}

/** AWQ packs its outputs, GPTQ its inputs. */
const packsOutputs = (store: ParameterStore, name: string): boolean => {
  const scales = name.replace(/qweight$/, 'scales')
  return has(store, scales) && store.info(scales).shape[1] !== store.info(name).shape[1]
}

/** Tensors that show a quantization which nothing declares. */
export const TRACES: Readonly<Record<string, (store: ParameterStore, name: string) => boolean>> = {
  awq: (store, name) => name.endsWith('.qweight') && packsOutputs(store, name),
  gptq: (store, name) => name.endsWith('.qweight') && !packsOutputs(store, name),
  fp8: (store, name) =>
    name.endsWith('.weight_scale_inv') ||
    (name.endsWith('.weight_scale') && /^f8/.test(infoOf(store, name.replace(/_scale$/, ''))?.dtype ?? '')),
  bitsandbytes: (_store, name) => name.endsWith('.SCB') || name.includes('.weight.quant_state.bitsandbytes__'),
}

const infoOf = (store: ParameterStore, name: string) => (has(store, name) ? store.info(name) : undefined)

/** The method whose tensors a store shows; undefined where it shows none. */
export const traceIn = (store: ParameterStore): string | undefined => {
  const names = store.names()
  return Object.keys(TRACES).find(method => names.some(name => TRACES[method](store, name)))
}
