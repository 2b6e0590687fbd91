import type { Model } from '@tersor/core'
import { fromFloat32, overlay, sizeOf, type ParameterStore } from '@tersor/tensor'
import { parseLlamaConfig } from './llama-config.js'
import { eachParameter } from './llama-parameters.js'
import type { RawConfig } from './raw-config.js'

/** Whose config says that attention and feed-forward networks have biases. */
const CONFIGURED = ['llama']

/** The same network with biases of zero everywhere; undefined for one that has them, and for architectures that can have none. */
export const biasedLlama = (
  rawConfig: RawConfig,
  params: ParameterStore,
  build: (rawConfig: RawConfig, params: ParameterStore) => Model,
): (() => Model) | undefined => {
  const config = parseLlamaConfig(rawConfig)
  if (!CONFIGURED.includes(config.architecture) || (config.biases.output && config.biases.feedForward)) return undefined
  return () => {
    const raw = { ...rawConfig, attention_bias: true, mlp_bias: true }
    const own = new Set(params.names())
    const missing = [...eachParameter(parseLlamaConfig(raw))].filter(({ name }) => name.endsWith('.bias') && !own.has(name))
    const zeros = missing.map(({ name, shape }) => [name, fromFloat32(new Float32Array(sizeOf(shape)), 'f32', shape)] as const)
    return build(raw, overlay(params, new Map(zeros)))
  }
}
