import type { Site } from '@tersor/core'
import { NORMAL, ONES, residualStart, ZEROS, type NetworkParameter, type Start } from './fresh-weights.js'
import type { Experts } from './llama-architectures.js'
import { sortsHeads, type LlamaConfig } from './llama-config.js'
import { linearSite as site } from './layers.js'

export const EMBEDDING: Site = Object.freeze({ ...site('model.embed_tokens'), kind: 'embedding' })
export const FINAL_NORM = 'model.norm.weight'

/** The output head: its own weight, or the embedding's. */
export const headSite = ({ tied }: LlamaConfig): Site =>
  Object.freeze({ ...site('lm_head'), ...(tied ? { weight: EMBEDDING.weight } : {}), head: true })

/** The linear layers of a gated feed-forward network: gate and up, or one that gives both side by side. */
export interface GatedSites {
  readonly inputs: readonly Site[]
  readonly down: Site
}

/** A feed-forward network, or the experts that a router chooses from. */
export type FeedForwardSites =
  | GatedSites
  | { readonly router: string; readonly bias: string | undefined; readonly experts: readonly GatedSites[]; readonly chosen: Experts }

const feedForwardNames = (block: string, experts: Experts | null, { fused, routerBias }: LlamaConfig): FeedForwardSites => {
  const gated = (place: string, [gate, up, down]: readonly [string, string, string]): GatedSites => ({
    inputs: fused ? [site(`${place}.gate_up_proj`)] : [site(`${place}.${gate}`), site(`${place}.${up}`)],
    down: site(`${place}.${down}`),
  })
  if (experts === null) return gated(`${block}.mlp`, ['gate_proj', 'up_proj', 'down_proj'])
  const place = `${block}.${experts.place}`
  const each = Array.from({ length: experts.count }, (_, expert) => gated(`${place}.experts.${expert}`, experts.names))
  return { router: `${place}.gate.weight`, bias: routerBias ? `${place}.gate.bias` : undefined, experts: each, chosen: experts }
}

/** The names of one block. */
export const blockNames = (layer: number, config: LlamaConfig) => {
  const { queryKeyNorm, fused, experts, normsAfter } = config
  const block = `model.layers.${layer}`
  const norm = (name: string): string => `${block}.${name}.weight`
  const projections = fused ? ['qkv_proj'] : ['q_proj', 'k_proj', 'v_proj']
  return {
    name: block,
    attentionNorm: norm('input_layernorm'),
    ...(normsAfter ? { attentionAfter: norm('post_attention_layernorm'), feedForwardAfter: norm('post_feedforward_layernorm') } : {}),
    feedForwardNorm: norm(normsAfter ? 'pre_feedforward_layernorm' : 'post_attention_layernorm'),
    attention: {
      inputs: projections.map(name => site(`${block}.self_attn.${name}`)),
      output: site(`${block}.self_attn.o_proj`),
      ...(queryKeyNorm ? { norms: { query: norm('self_attn.q_norm'), key: norm('self_attn.k_norm') } } : {}),
    },
    feedForward: feedForwardNames(block, experts[layer], config),
  }
}

const weight = (at: Site, rows: number, columns: number, bias: boolean, start: Start = NORMAL): NetworkParameter[] => [
  { name: at.weight, shape: [rows, columns], start },
  ...(bias ? [{ name: `${at.name}.bias`, shape: [rows], start: ZEROS }] : []),
]

/** The parameters of a projection that is one weight or several, whose widths are given. */
const side = (sites: readonly Site[], widths: readonly number[], columns: number, bias: boolean): readonly NetworkParameter[] =>
  sites.length === 1
    ? weight(
        sites[0],
        widths.reduce((sum, width) => sum + width),
        columns,
        bias,
      )
    : sites.flatMap((at, index) => weight(at, widths[index], columns, bias))

const feedForwardParameters = (
  sites: FeedForwardSites,
  { hidden, biases, layers }: LlamaConfig,
  feedForward: number,
): readonly NetworkParameter[] => {
  const gated = ({ inputs, down }: GatedSites, width: number): readonly NetworkParameter[] => [
    ...side(inputs, [width, width], hidden, biases.feedForward),
    ...weight(down, hidden, width, biases.feedForward, residualStart(layers)),
  ]
  if (!('router' in sites)) return gated(sites, feedForward)
  const { router, bias, experts, chosen } = sites
  return [
    { name: router, shape: [chosen.count, hidden], start: NORMAL },
    ...(bias === undefined ? [] : [{ name: bias, shape: [chosen.count], start: ZEROS }]),
    ...experts.flatMap(expert => gated(expert, chosen.feedForward)),
  ]
}

/** Whether a block has attention, and whether it has a feed-forward network. */
export const partsOf = (layer: number, { widths, experts }: LlamaConfig) => ({
  attends: widths[layer].heads > 0,
  feeds: experts[layer] !== null || widths[layer].feedForward > 0,
})

/** Which frequency turns each pair of each key head, where these are sorted. */
export const pairsName = (layer: number): string => `model.layers.${layer}.self_attn.rotary_pairs`

/** The parameters of one block, in the order of the forward pass. */
export const blockParameters = (layer: number, config: LlamaConfig): readonly NetworkParameter[] => {
  const { hidden, widths, biases, normOffset } = config
  const { heads, keyValueHeads, headSize, feedForward } = widths[layer]
  const { attends, feeds } = partsOf(layer, config)
  const names = blockNames(layer, config)
  const { inputs, output, norms } = names.attention
  const norm = (name: string | undefined): readonly NetworkParameter[] =>
    name === undefined ? [] : [{ name, shape: [hidden], start: normOffset === 0 ? ONES : ZEROS }]
  const headNorm = (name: string): NetworkParameter => ({ name, shape: [headSize], start: ONES })
  const attention = (): readonly NetworkParameter[] => [
    ...norm(names.attentionNorm),
    ...side(
      inputs,
      [heads, keyValueHeads, keyValueHeads].map(count => count * headSize),
      hidden,
      biases.queryKeyValue,
    ),
    ...(norms ? [headNorm(norms.query), headNorm(norms.key)] : []),
    ...(sortsHeads(config) ? [{ name: pairsName(layer), shape: [keyValueHeads, headSize / 2], start: ZEROS, whole: true }] : []),
    ...weight(output, hidden, heads * headSize, biases.output, residualStart(config.layers)),
    ...norm(names.attentionAfter),
  ]
  const network = (): readonly NetworkParameter[] => [
    ...norm(names.feedForwardNorm),
    ...feedForwardParameters(names.feedForward, config, feedForward),
    ...norm(names.feedForwardAfter),
  ]
  return [...(attends ? attention() : []), ...(feeds ? network() : [])]
}

/**
 * Every parameter of the network but its head with its shape, in the order of the forward pass; block by block, so that who looks for the
 * first that is missing needs no list of all that a config names.
 */
export function* eachBaseParameter(config: LlamaConfig): Iterable<NetworkParameter> {
  yield { name: EMBEDDING.weight, shape: [config.vocabularySize, config.hidden], start: NORMAL }
  for (let layer = 0; layer < config.layers; layer++) yield* blockParameters(layer, config)
  yield { name: FINAL_NORM, shape: [config.hidden], start: config.normOffset === 0 ? ONES : ZEROS }
}

/** The same with the head. */
export function* eachParameter(config: LlamaConfig): Iterable<NetworkParameter> {
  yield* eachBaseParameter(config)
  if (!config.tied) yield { name: headSite(config).weight, shape: [config.vocabularySize, config.hidden], start: NORMAL }
}

/** Every parameter of the network with its shape, in the order of the forward pass. */
export const llamaParameters = (config: LlamaConfig): readonly NetworkParameter[] => [...eachParameter(config)]
