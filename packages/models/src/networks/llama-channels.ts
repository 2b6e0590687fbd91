import type { Channels, Residual, Scaling, Rotation } from '@tersor/core'
import { inputsOf, linearScaling, normScaling, outputsOf, valueRotation, type Rows } from './free-channels.js'
import type { LlamaConfig } from './llama-config.js'
import { blockNames, EMBEDDING, FINAL_NORM, headSite, type FeedForwardSites, type GatedSites } from './llama-parameters.js'

type Names = ReturnType<typeof blockNames>

/** The value projection: a weight of its own, or the last rows of the fused one. */
const valuesOf = ({ attention: { inputs } }: Names, { heads, keyValueHeads, headSize, biases }: LlamaConfig): Rows => {
  const before = inputs.length === 1 ? (heads + keyValueHeads) * headSize : 0
  return { site: inputs[inputs.length - 1], start: before, count: keyValueHeads * headSize, bias: biases.queryKeyValue }
}

const expertsOf = (sites: FeedForwardSites): readonly GatedSites[] => ('router' in sites ? sites.experts : [sites])

/** What the experts' router reads besides its sites. */
const routerOf = (sites: FeedForwardSites, hidden: number): readonly Channels[] =>
  'router' in sites ? [{ parameter: sites.router, axis: 1, count: hidden }] : []

/** Channels of a block whose scale is free: behind both norms, from values to the output where each head has its own, from up to down. */
export const blockScalings = (layer: number, config: LlamaConfig): readonly Scaling[] => {
  const names = blockNames(layer, config)
  const { hidden, heads, keyValueHeads, normOffset, biases, feedForward, experts } = config
  const width = experts[layer]?.feedForward ?? feedForward
  const gated = expertsOf(names.feedForward)
  return [
    normScaling([names.attentionNorm], hidden, names.attention.inputs, normOffset),
    ...(heads === keyValueHeads ? [linearScaling(valuesOf(names, config), names.attention.output)] : []),
    {
      ...normScaling(
        [names.feedForwardNorm],
        hidden,
        gated.flatMap(({ inputs }) => inputs),
        normOffset,
      ),
      readers: routerOf(names.feedForward, hidden),
    },
    ...gated.map(({ inputs, down }) => {
      const fused = inputs.length === 1
      return linearScaling({ site: inputs[inputs.length - 1], start: fused ? width : 0, count: width, bias: biases.feedForward }, down)
    }),
  ]
}

/** The values of each head. */
export const blockRotations = (layer: number, config: LlamaConfig): readonly Rotation[] => {
  const names = blockNames(layer, config)
  return [valueRotation(config.headSize, valuesOf(names, config), names.attention.output, config.heads * config.headSize)]
}

/** The residual stream; undefined where what is added to it is normalised first, since weights of those norms cannot move. */
export const residualOf = (config: LlamaConfig): Residual | undefined => {
  if (config.normsAfter) return undefined
  const { hidden, layers, biases, normOffset, tied } = config
  const norm = (parameter: string): Channels => ({ parameter, axis: 0, count: hidden, offset: normOffset })
  const written = (site: GatedSites['down'], bias: boolean) => outputsOf({ site, start: 0, count: hidden, bias })
  const blocks = Array.from({ length: layers }, (_, layer) => blockNames(layer, config))
  const head = tied ? 'lm_head.weight' : headSite(config).weight
  return {
    size: hidden,
    writers: [
      { parameter: EMBEDDING.weight, axis: 1, count: hidden },
      ...blocks.flatMap(({ attention, feedForward }) => [
        ...written(attention.output, biases.output),
        ...expertsOf(feedForward).flatMap(({ down }) => written(down, biases.feedForward)),
      ]),
    ],
    norms: [
      ...blocks.flatMap(({ attentionNorm, feedForwardNorm, attention, feedForward }) => [
        { weight: norm(attentionNorm), readers: attention.inputs.map(site => inputsOf(site, hidden)) },
        {
          weight: norm(feedForwardNorm),
          readers: [
            ...expertsOf(feedForward).flatMap(({ inputs }) => inputs.map(site => inputsOf(site, hidden))),
            ...routerOf(feedForward, hidden),
          ],
        },
      ]),
      { weight: norm(FINAL_NORM), readers: [{ parameter: head, axis: 1, count: hidden }] },
    ],
    ...(tied ? { untied: { embedding: EMBEDDING.weight, head } } : {}),
  }
}
