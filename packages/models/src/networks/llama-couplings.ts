import type { Block, Coupling, Member, Rescaling, Site } from '@tersor/core'
import { sortsHeads, type LlamaConfig } from './llama-config.js'
import { gatedOf, projections } from './llama-channels.js'
import { blockNames, blockParameters, EMBEDDING, FINAL_NORM, headSite, pairsName, partsOf, type GatedSites } from './llama-parameters.js'
import { axisMembers, type Place } from './coupled-axes.js'
import { outputsOf } from './free-channels.js'

type Names = ReturnType<typeof blockNames>

/** The rotary pairs of queries and keys with two channels of values each, where heads are sorted: keys are read by queries, values by the output. */
const sizesCoupling = (layer: number, config: LlamaConfig): Coupling => {
  const { biases } = config
  const { heads, keyValueHeads, headSize } = config.widths[layer]
  const { q, k, v, output } = projections(layer, config)
  const [half, bias] = [headSize / 2, biases.queryKeyValue]
  const halves = (count: number) => ({ repeats: 2 * count, stride: half })
  const twos = (count: number) => ({ size: 2, repeats: count, stride: headSize })
  return {
    ...{ name: `${blockNames(layer, config).name}.self_attn.sizes`, kind: 'sizes', units: half },
    members: [
      ...axisMembers({ ...q, bias }, 'reads', halves(heads)),
      ...axisMembers({ ...k, bias }, 'writes', halves(keyValueHeads)),
      ...axisMembers({ ...v, bias }, 'writes', twos(keyValueHeads)),
      { parameter: pairsName(layer), axis: 1, role: 'carries' },
      { parameter: output.weight, axis: output.inAxis, ...twos(heads), role: 'reads' },
    ],
  }
}

/** Key heads with the query heads that look at them, and query heads within these. */
const headCouplings = (layer: number, config: LlamaConfig): readonly Coupling[] => {
  const { biases } = config
  const { heads, keyValueHeads, headSize } = config.widths[layer]
  const { q, k, v, output } = projections(layer, config)
  const name = `${blockNames(layer, config).name}.self_attn`
  const groups = heads / keyValueHeads
  const rows = ({ site, start }: Place, size: number): readonly Member[] =>
    axisMembers({ site, start, bias: biases.queryKeyValue }, 'writes', { size })
  const read = (size: number): readonly Member[] => [{ parameter: output.weight, axis: output.inAxis, size, role: 'reads' }]
  const keys: Coupling = {
    ...{ name: `${name}.heads`, kind: 'heads', units: keyValueHeads },
    members: [
      ...[...rows(q, groups * headSize), ...rows(k, headSize), ...rows(v, headSize), ...read(groups * headSize)],
      ...(sortsHeads(config) ? [{ parameter: pairsName(layer), axis: 0, role: 'carries' as const }] : []),
    ],
  }
  const queries: Coupling = {
    ...{ name: `${name}.queries`, kind: 'queries', units: heads, perGroup: groups, within: keys.name },
    members: [...rows(q, headSize), ...read(headSize)],
  }
  return [keys, ...(groups === 1 ? [] : [queries]), ...(sortsHeads(config) ? [sizesCoupling(layer, config)] : [])]
}

/** Gate and up, side by side or in one weight, and down. */
const neuronMembers = ({ inputs, down }: GatedSites, width: number, bias: boolean, span: object = {}): readonly Member[] => {
  const [gate, up] = inputs.length === 1 ? [inputs[0], inputs[0]] : inputs
  return [
    ...axisMembers({ site: gate, start: 0, bias }, 'writes', span),
    ...axisMembers({ site: up, start: inputs.length === 1 ? width : 0, bias }, 'writes', span),
    { parameter: down.weight, axis: down.inAxis, ...span, role: 'reads' },
  ]
}

/** The neurons of a block; with experts those of each, as many in every one, and the experts themselves. */
const feedForwardCouplings = (layer: number, config: LlamaConfig): readonly Coupling[] => {
  const { feedForward: sites, name } = blockNames(layer, config)
  const bias = config.biases.feedForward
  if (!('router' in sites)) {
    const width = config.widths[layer].feedForward
    return [{ name: `${name}.mlp.neurons`, kind: 'neurons', units: width, members: neuronMembers(sites, width, bias) }]
  }
  const { router, bias: routerBias, experts, chosen } = sites
  const place = `${name}.${chosen.place}`
  const { count, feedForward: width, perToken } = chosen
  const routed: readonly string[] = routerBias === undefined ? [router] : [router, routerBias]
  return [
    {
      ...{ name: `${place}.experts`, kind: 'experts', units: count, least: perToken, silencer: router.replace(/weight$/, 'bias') },
      members: routed.map(parameter => ({ parameter, axis: 0, role: 'writes' as const })),
    },
    {
      ...{ name: `${place}.neurons`, kind: 'neurons', units: count * width, perGroup: width, within: `${place}.experts` },
      members: experts.flatMap((expert, index) => neuronMembers(expert, width, bias, { first: index * width, count: width })),
    },
  ]
}

const normsOf = (names: Names, attends: boolean, feeds: boolean): readonly string[] =>
  [
    ...(attends ? [names.attentionNorm, names.attentionAfter] : []),
    ...(feeds ? [names.feedForwardNorm, names.feedForwardAfter] : []),
  ].filter(norm => norm !== undefined)

/** The stream: what a block reads of it and adds to it. */
const streamMembers = (layer: number, config: LlamaConfig): readonly Member[] => {
  const names = blockNames(layer, config)
  const { attends, feeds } = partsOf(layer, config)
  const read = (parameter: string, axis = 1): Member => ({ parameter, axis, role: 'reads' })
  const written = (site: Site, bias: boolean): readonly Member[] => axisMembers({ site, start: 0, bias }, 'writes')
  const { attention, feedForward } = names
  const network = (): readonly Member[] => [
    ...('router' in feedForward ? [read(feedForward.router)] : []),
    ...gatedOf(feedForward).flatMap(({ inputs, down }) => [
      ...inputs.map(site => read(site.weight)),
      ...written(down, config.biases.feedForward),
    ]),
  ]
  return [
    ...normsOf(names, attends, feeds).map(parameter => ({ parameter, axis: 0, role: 'carries' as const })),
    ...(attends ? [...attention.inputs.map(site => read(site.weight)), ...written(attention.output, config.biases.output)] : []),
    ...(feeds ? network() : []),
  ]
}

/**
 * What keeps the function where the stream gets narrower, with ε · old / new in all norms: weights of its norms · √(old / new); where queries and
 * keys are normalised with the same ε, their projections likewise; where embeddings are multiplied by √width, these, and not the last norm where
 * the head is the embedding.
 */
const streamRescaled = (config: LlamaConfig): readonly Rescaling[] => {
  const { hidden, layers, normOffset: offset, queryKeyNorm, vocabularySize, embeddingScale, tied, biases } = config
  const power = -1 / 2
  const each = Array.from({ length: layers }, (_, layer) => layer)
  const norms = each.flatMap(layer => {
    const { attends, feeds } = partsOf(layer, config)
    return normsOf(blockNames(layer, config), attends, feeds)
  })
  const grows = embeddingScale !== 1
  const projected = (layer: number): readonly Rescaling[] => {
    const { q, k } = projections(layer, config)
    const { heads, keyValueHeads, headSize } = config.widths[layer]
    const rows = ({ site, start }: Place, count: number): readonly Rescaling[] =>
      outputsOf({ site, start, count: count * headSize, bias: biases.queryKeyValue }).map(channels => ({ ...channels, power }))
    return [...rows(q, heads), ...rows(k, keyValueHeads)]
  }
  return [
    ...[...norms, ...(grows && tied ? [] : [FINAL_NORM])].map(parameter => ({ parameter, axis: 0, count: hidden, offset, power })),
    ...(grows ? [{ parameter: EMBEDDING.weight, axis: 0, count: vocabularySize, power }] : []),
    ...(queryKeyNorm ? each.filter(layer => partsOf(layer, config).attends).flatMap(projected) : []),
  ]
}

/** The couplings of a network of the Llama family; `headless` for one that ends with its last norm. */
export const llamaCouplings = (config: LlamaConfig, headless = false): readonly Coupling[] => {
  const each = Array.from({ length: config.layers }, (_, layer) => layer)
  const own = !headless && !config.tied
  const stream: Coupling = {
    ...{ name: 'stream', kind: 'stream', units: config.hidden, rescaled: streamRescaled(config), ...(headless ? { exposed: true } : {}) },
    members: [
      { parameter: EMBEDDING.weight, axis: 1, role: 'writes' },
      ...each.flatMap(layer => streamMembers(layer, config)),
      { parameter: FINAL_NORM, axis: 0, role: 'carries' },
      ...(own ? [{ parameter: headSite(config).weight, axis: 1, role: 'reads' as const }] : []),
    ],
  }
  return [
    stream,
    ...each.flatMap(layer => {
      const { attends, feeds } = partsOf(layer, config)
      return [...(attends ? headCouplings(layer, config) : []), ...(feeds ? feedForwardCouplings(layer, config) : [])]
    }),
  ]
}

/** The parts of each block that can be left out. */
export const llamaBlocks = (config: LlamaConfig): readonly Block[] =>
  Array.from({ length: config.layers }, (_, layer) => layer).flatMap(layer => {
    const names = blockNames(layer, config)
    const { attends, feeds } = partsOf(layer, config)
    const all = blockParameters(layer, config).map(({ name }) => name)
    const { norms: ofHeads } = names.attention
    const norms = new Set<string | undefined>([...normsOf(names, attends, feeds), ofHeads?.query, ofHeads?.key])
    const isAttention = (name: string): boolean =>
      name.startsWith(`${names.name}.self_attn.`) || name === names.attentionNorm || name === names.attentionAfter
    const silencers = (sites: readonly Site[], bias: boolean): readonly string[] =>
      sites.flatMap(site => [site.weight, ...(bias ? [`${site.name}.bias`] : [])])
    const output = attends ? silencers([names.attention.output], config.biases.output) : []
    const downs = feeds
      ? silencers(
          gatedOf(names.feedForward).map(({ down }) => down),
          config.biases.feedForward,
        )
      : []
    const block = (name: string, kind: Block['kind'], parameters: readonly string[], silencedBy: readonly string[]): Block => ({
      ...{ name, stage: names.name, kind, parameters, silencedBy, norms: parameters.filter(each => norms.has(each)) },
    })
    const feedForward = 'router' in names.feedForward ? names.feedForward.chosen.place : 'mlp'
    const attention = block(`${names.name}.self_attn`, 'attention', all.filter(isAttention), output)
    const network = block(`${names.name}.${feedForward}`, 'feedForward', all.filter(name => !isAttention(name)), downs) // prettier-ignore
    return [block(names.name, 'whole', all, [...output, ...downs]), ...(attends ? [attention] : []), ...(feeds ? [network] : [])]
  })
