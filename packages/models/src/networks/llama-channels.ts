import type { Channels, Residual, Rotation, RotaryPairs, Scaling, Site } from '@tersor/core'
import { inputsOf, linearScaling, normScaling, outputsOf, valueRotation, type Rows } from './free-channels.js'
import type { LlamaConfig } from './llama-config.js'
import {
  blockNames,
  EMBEDDING,
  FINAL_NORM,
  headSite,
  pairsName,
  partsOf,
  type FeedForwardSites,
  type GatedSites,
} from './llama-parameters.js'

/** Queries, keys and values, wherever they stand: each in a weight of its own, or behind each other in one. */
export const projections = (layer: number, config: LlamaConfig) => {
  const { inputs, output } = blockNames(layer, config).attention
  const { heads, keyValueHeads, headSize } = config.widths[layer]
  const [q, k, v] = inputs.length === 1 ? [inputs[0], inputs[0], inputs[0]] : inputs
  const starts = inputs.length === 1 ? [0, heads, heads + keyValueHeads].map(count => count * headSize) : [0, 0, 0]
  return { q: { site: q, start: starts[0] }, k: { site: k, start: starts[1] }, v: { site: v, start: starts[2] }, output }
}

/** The channels of the value projection. */
const valuesOf = (layer: number, config: LlamaConfig): Rows => ({
  ...projections(layer, config).v,
  ...{ count: config.widths[layer].keyValueHeads * config.widths[layer].headSize, bias: config.biases.queryKeyValue },
})

/** The one feed-forward network, or all experts. */
export const gatedOf = (sites: FeedForwardSites): readonly GatedSites[] => ('router' in sites ? sites.experts : [sites])

/** What the experts' router reads besides its sites. */
const routerOf = (sites: FeedForwardSites, hidden: number): readonly Channels[] =>
  'router' in sites ? [{ parameter: sites.router, axis: 1, count: hidden }] : []

/** Channels of a block whose scale is free: behind both norms, from values to the output where each head has its own, from up to down. */
export const blockScalings = (layer: number, config: LlamaConfig): readonly Scaling[] => {
  const names = blockNames(layer, config)
  const { hidden, normOffset, biases, experts } = config
  const { heads, keyValueHeads, feedForward } = config.widths[layer]
  const { attends, feeds } = partsOf(layer, config)
  const width = experts[layer]?.feedForward ?? feedForward
  const gated = gatedOf(names.feedForward)
  const behind = (norm: string, sites: readonly Site[]): Scaling => normScaling([norm], hidden, sites, normOffset)
  const attention = (): readonly Scaling[] => [
    behind(names.attentionNorm, names.attention.inputs),
    ...(heads === keyValueHeads ? [linearScaling(valuesOf(layer, config), names.attention.output)] : []),
  ]
  const network = (): readonly Scaling[] => [
    {
      ...behind(
        names.feedForwardNorm,
        gated.flatMap(({ inputs }) => inputs),
      ),
      readers: routerOf(names.feedForward, hidden),
    },
    ...gated.map(({ inputs, down }) => {
      const fused = inputs.length === 1
      return linearScaling({ site: inputs[inputs.length - 1], start: fused ? width : 0, count: width, bias: biases.feedForward }, down)
    }),
  ]
  return [...(attends ? attention() : []), ...(feeds ? network() : [])]
}

/** The values of each head. */
export const blockRotations = (layer: number, config: LlamaConfig): readonly Rotation[] => {
  if (!partsOf(layer, config).attends) return []
  const { heads, headSize } = config.widths[layer]
  return [valueRotation(headSize, valuesOf(layer, config), blockNames(layer, config).attention.output, heads * headSize)]
}

/** Queries and keys whose pairs may come in another order; undefined where a norm runs over them, whose weights all heads share. */
export const blockPairs = (layer: number, config: LlamaConfig): RotaryPairs | undefined => {
  if (!partsOf(layer, config).attends || config.queryKeyNorm) return undefined
  const { heads, keyValueHeads, headSize: size } = config.widths[layer]
  const { q, k } = projections(layer, config)
  const rows = (place: Pick<Rows, 'site' | 'start'>, count: number): readonly Channels[] =>
    outputsOf({ ...place, count: count * size, bias: config.biases.queryKeyValue })
  return { size, groups: heads / keyValueHeads, queries: rows(q, heads), keys: rows(k, keyValueHeads), table: pairsName(layer) }
}

/** The residual stream; undefined where what is added to it is normalised first, since weights of those norms cannot move. */
export const residualOf = (config: LlamaConfig): Residual | undefined => {
  if (config.normsAfter) return undefined
  const { hidden, layers, biases, normOffset, tied } = config
  const norm = (parameter: string): Channels => ({ parameter, axis: 0, count: hidden, offset: normOffset })
  const written = (site: GatedSites['down'], bias: boolean) => outputsOf({ site, start: 0, count: hidden, bias })
  const blocks = Array.from({ length: layers }, (_, layer) => ({ ...blockNames(layer, config), ...partsOf(layer, config) }))
  const head = tied ? 'lm_head.weight' : headSite(config).weight
  return {
    size: hidden,
    writers: [
      { parameter: EMBEDDING.weight, axis: 1, count: hidden },
      ...blocks.flatMap(({ attention, feedForward, attends, feeds }) => [
        ...(attends ? written(attention.output, biases.output) : []),
        ...(feeds ? gatedOf(feedForward).flatMap(({ down }) => written(down, biases.feedForward)) : []),
      ]),
    ],
    norms: [
      ...blocks.flatMap(({ attentionNorm, feedForwardNorm, attention, feedForward, attends, feeds }) => [
        ...(attends ? [{ weight: norm(attentionNorm), readers: attention.inputs.map(site => inputsOf(site, hidden)) }] : []),
        ...(feeds
          ? [
              {
                weight: norm(feedForwardNorm),
                readers: [
                  ...gatedOf(feedForward).flatMap(({ inputs }) => inputs.map(site => inputsOf(site, hidden))),
                  ...routerOf(feedForward, hidden),
                ],
              },
            ]
          : []),
      ]),
      { weight: norm(FINAL_NORM), readers: [{ parameter: head, axis: 1, count: hidden }] },
    ],
    ...(tied ? { untied: { embedding: EMBEDDING.weight, head } } : {}),
  }
}
