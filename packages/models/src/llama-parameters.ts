import type { Shape } from '@tersor/tensor'
import type { Site } from '@tersor/core'
import type { LlamaConfig } from './llama-config.js'

/** A parameter of the network and how training starts it. */
export interface LlamaParameter {
  readonly name: string
  readonly shape: Shape
  readonly start: 'normal' | 'residual' | 'one' | 'zero'
}

const site = (name: string): Site => Object.freeze({ name, weight: `${name}.weight`, kind: 'linear', outAxis: 0, inAxis: 1 })

export const EMBEDDING: Site = Object.freeze({ ...site('model.embed_tokens'), kind: 'embedding' })
export const FINAL_NORM = 'model.norm.weight'

/** The output head: its own weight, or the embedding's. */
export const headSite = ({ tied }: LlamaConfig): Site =>
  Object.freeze({ ...site('lm_head'), ...(tied ? { weight: EMBEDDING.weight } : {}), head: true })

/** The names of one block. */
export const blockNames = (layer: number, { queryKeyNorm }: LlamaConfig) => {
  const block = `model.layers.${layer}`
  const norm = (name: string): string => `${block}.${name}.weight`
  return {
    name: block,
    attentionNorm: norm('input_layernorm'),
    feedForwardNorm: norm('post_attention_layernorm'),
    attention: {
      query: site(`${block}.self_attn.q_proj`),
      key: site(`${block}.self_attn.k_proj`),
      value: site(`${block}.self_attn.v_proj`),
      output: site(`${block}.self_attn.o_proj`),
      ...(queryKeyNorm ? { norms: { query: norm('self_attn.q_norm'), key: norm('self_attn.k_norm') } } : {}),
    },
    gate: site(`${block}.mlp.gate_proj`),
    up: site(`${block}.mlp.up_proj`),
    down: site(`${block}.mlp.down_proj`),
  }
}

/** The parameters of one block, in the order of the forward pass. */
export const blockParameters = (layer: number, config: LlamaConfig): readonly LlamaParameter[] => {
  const { hidden, feedForward, heads, keyValueHeads, headSize, biases } = config
  const names = blockNames(layer, config)
  const { query, key, value, output, norms } = names.attention
  const one = (name: string, extent: number): LlamaParameter => ({ name, shape: [extent], start: 'one' })
  const weight = (at: Site, rows: number, columns: number, bias: boolean, start: 'normal' | 'residual' = 'normal'): LlamaParameter[] => [
    { name: at.weight, shape: [rows, columns], start },
    ...(bias ? [{ name: `${at.name}.bias`, shape: [rows], start: 'zero' as const }] : []),
  ]
  return [
    one(names.attentionNorm, hidden),
    ...weight(query, heads * headSize, hidden, biases.queryKeyValue),
    ...weight(key, keyValueHeads * headSize, hidden, biases.queryKeyValue),
    ...weight(value, keyValueHeads * headSize, hidden, biases.queryKeyValue),
    ...(norms ? [one(norms.query, headSize), one(norms.key, headSize)] : []),
    ...weight(output, hidden, heads * headSize, biases.output, 'residual'),
    one(names.feedForwardNorm, hidden),
    ...weight(names.gate, feedForward, hidden, biases.feedForward),
    ...weight(names.up, feedForward, hidden, biases.feedForward),
    ...weight(names.down, hidden, feedForward, biases.feedForward, 'residual'),
  ]
}

/** Every parameter of the network with its shape, in the order of the forward pass. */
export const llamaParameters = (config: LlamaConfig): readonly LlamaParameter[] => [
  { name: EMBEDDING.weight, shape: [config.vocabularySize, config.hidden], start: 'normal' },
  ...Array.from({ length: config.layers }, (_, layer) => blockParameters(layer, config)).flat(),
  { name: FINAL_NORM, shape: [config.hidden], start: 'one' },
  ...(config.tied ? [] : [{ name: headSite(config).weight, shape: [config.vocabularySize, config.hidden], start: 'normal' as const }]),
]
