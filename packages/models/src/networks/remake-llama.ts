import type { Block, Change, Model, Remade } from '@tersor/core'
import type { ParameterStore } from '@tersor/tensor'
import { uniform } from './config-fields.js'
import { goneWith, leftOf, stayingLayers } from './coupled-axes.js'
import { ORIGINAL_SIZE, type LlamaConfig } from './llama-config.js'
import { blockNames, partsOf } from './llama-parameters.js'
import type { RawConfig } from './raw-config.js'
import { sortedField } from './sorted-units.js'

/** What a block is made of behind a change. */
interface Left {
  readonly heads: number
  readonly keyValueHeads: number
  readonly feedForward: number
  readonly experts: number
}

const attentionLeft = (layer: number, config: LlamaConfig, change: Change) => {
  const { heads, keyValueHeads } = config.widths[layer]
  const { name } = blockNames(layer, config)
  if (heads === 0 || change.without?.has(`${name}.self_attn`)) return { heads: 0, keyValueHeads: 0 }
  const groups = heads / keyValueHeads
  const keys = change.keep?.get(`${name}.self_attn.heads`) ?? Array.from({ length: keyValueHeads }, (_, head) => head)
  const queries = change.keep?.get(`${name}.self_attn.queries`)
  const left = queries?.filter(head => Math.floor(head / groups) === keys[0]).length ?? groups
  return { keyValueHeads: keys.length, heads: keys.length * left }
}

const feedForwardLeft = (layer: number, config: LlamaConfig, change: Change) => {
  const { name } = blockNames(layer, config)
  const chosen = config.experts[layer]
  if (!partsOf(layer, config).feeds || change.without?.has(`${name}.${chosen?.place ?? 'mlp'}`)) return { feedForward: 0, experts: 0 }
  if (chosen === null) return { feedForward: leftOf(`${name}.mlp.neurons`, config.widths[layer].feedForward, change), experts: 0 }
  const place = `${name}.${chosen.place}`
  const experts = change.keep?.get(`${place}.experts`) ?? Array.from({ length: chosen.count }, (_, expert) => expert)
  const neurons = change.keep?.get(`${place}.neurons`)
  const width = neurons?.filter(unit => Math.floor(unit / chosen.feedForward) === experts[0]).length ?? chosen.feedForward
  return { feedForward: width, experts: experts.length }
}

/** Fields with an entry a layer, and rules that count layers, as lists of the layers that stay. */
const layerFields = (raw: RawConfig, config: LlamaConfig, layers: readonly number[]): RawConfig => {
  const { windows, rotated } = config
  const slides = Array.isArray(raw.layer_types) || new Set(windows).size > 1
  const types = layers.map(layer => (windows[layer] === null ? 'full_attention' : 'sliding_attention'))
  return {
    ...(slides ? { layer_types: types } : {}),
    ...(config.architecture === 'smollm3' ? { no_rope_layers: layers.map(layer => Number(rotated[layer])) } : {}),
  }
}

/** How wide blocks with experts and those without are, and how many experts there are, in the names of the architecture. */
const expertFields = (raw: RawConfig, config: LlamaConfig, layers: readonly number[], left: readonly Left[]): RawConfig => {
  const routed = layers.map(layer => config.experts[layer] !== null)
  const widths = left.map(({ feedForward }) => feedForward)
  if (!routed.includes(true)) return { intermediate_size: uniform(widths) }
  const some = config.experts.find(experts => experts !== null)!
  const counted = left.map(({ experts }, index) => (routed[index] ? experts : some.count)).filter(count => count > 0)
  const counts = uniform(left.map(({ experts }) => experts || counted[0] || some.count))
  if (config.architecture === 'mixtral') return { intermediate_size: uniform(widths), num_local_experts: counts }
  const plain = routed.flatMap((isRouted, layer) => (isRouted ? [] : [layer]))
  return {
    intermediate_size: uniform(left.map(({ feedForward }, index) => (routed[index] && feedForward > 0 ? config.widths[layers[index]].feedForward : feedForward))), // prettier-ignore
    moe_intermediate_size: uniform(left.map(({ feedForward }, index) => (routed[index] ? feedForward : some.feedForward))),
    [raw.num_experts === undefined ? 'num_local_experts' : 'num_experts']: counts,
    ...(plain.length > 0 ? { mlp_only_layers: plain, decoder_sparse_step: 1 } : { decoder_sparse_step: 1 }),
  }
}

/** Channels of heads; a list where their pairs are sorted, also of equal numbers, so that no program takes it for a network whose pairs are not. */
const sizeFields = (config: LlamaConfig, change: Change, layers: readonly number[]): RawConfig => {
  const { headSize, widths, sorted } = config
  const { multiples } = change.sorted ?? sorted ?? {}
  if (multiples?.sizes === undefined) return { head_dim: headSize }
  const pairs = (layer: number): number => leftOf(`${blockNames(layer, config).name}.self_attn.sizes`, widths[layer].headSize / 2, change)
  return { head_dim: layers.map(layer => 2 * pairs(layer)), [ORIGINAL_SIZE]: headSize }
}

/** The config.json of a network behind a change: lists where blocks differ, numbers where they do not. */
export const changedConfig = (raw: RawConfig, config: LlamaConfig, change: Change): RawConfig => {
  const layers = stayingLayers(config.layers, layer => blockNames(layer, config).name, change)
  const left = layers.map(layer => ({ ...attentionLeft(layer, config, change), ...feedForwardLeft(layer, config, change) }))
  const hidden = leftOf('stream', config.hidden, change)
  return {
    ...raw,
    num_hidden_layers: layers.length,
    hidden_size: hidden,
    ...sizeFields(config, change, layers),
    ...sortedField(config.sorted, change, layers),
    num_attention_heads: uniform(left.map(({ heads }) => heads)),
    num_key_value_heads: uniform(left.map(({ keyValueHeads }) => keyValueHeads)),
    ...(hidden === config.hidden ? {} : { rms_norm_eps: (config.epsilon * config.hidden) / hidden }),
    ...layerFields(raw, config, layers),
    ...expertFields(raw, config, layers, left),
  }
}

const LAYER = /^model\.layers\.(\d+)\./
const EXPERT = /\.experts\.(\d+)\./

/** What a parameter is called behind a change; undefined where it is gone. */
const renamer = (config: LlamaConfig, blocks: readonly Block[], change: Change): Remade['rename'] => {
  const isGone = goneWith(blocks, change.without ?? new Set())
  const layers = stayingLayers(config.layers, layer => blockNames(layer, config).name, change)
  const places = new Map(layers.map((layer, place) => [layer, place]))
  const experts = layers.map(layer => {
    const chosen = config.experts[layer]
    return chosen && change.keep?.get(`${blockNames(layer, config).name}.${chosen.place}.experts`)
  })
  return name => {
    const found = LAYER.exec(name)
    if (!found) return name
    const place = places.get(Number(found[1]))
    if (place === undefined || isGone(name)) return undefined
    const kept = experts[place]
    const expert = kept && EXPERT.exec(name)
    const at = expert ? kept.indexOf(Number(expert[1])) : 0
    if (at < 0) return undefined
    const renamed = name.replace(LAYER, `model.layers.${place}.`)
    return expert ? renamed.replace(EXPERT, `.experts.${at}.`) : renamed
  }
}

/** How a network of the Llama family is made again: `build` from a config and its parameters. */
export const remadeLlama =
  (
    { config, rawConfig, blocks }: { config: LlamaConfig; rawConfig: RawConfig; blocks: readonly Block[] },
    build: (rawConfig: RawConfig, params: ParameterStore) => Model,
  ) =>
  (change: Change): Remade => ({
    rename: renamer(config, blocks, change),
    over: params => build(changedConfig(rawConfig, config, change), params),
  })
