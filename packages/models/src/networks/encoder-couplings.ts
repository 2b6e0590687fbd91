import type { Block, Change, Coupling, Member, Model, Remade, Rescaling, Site } from '@tersor/core'
import type { ParameterStore } from '@tersor/tensor'
import { badField, extent, perBlock, uniform } from './config-fields.js'
import { axisMembers, goneWith, leftOf, stayingLayers, type Place } from './coupled-axes.js'
import { outputsOf } from './free-channels.js'
import { biasOf } from './layers.js'
import type { RawConfig } from './raw-config.js'
import { sortedField, sortedUnits } from './sorted-units.js'

/** What a block of GPT-2, BERT and ViT is made of; 0 heads or no width where it lacks one of its parts. */
export interface EncoderWidths {
  readonly heads: number
  /** Of a head. */
  readonly size: number
  readonly feedForward: number
}

/** A block as couplings see it. */
export interface CoupledBlock {
  readonly name: string
  readonly widths: EncoderWidths
  readonly query: Place
  readonly key: Place
  readonly value: Place
  readonly output: Site
  readonly up: Site
  readonly down: Site
  /** Of attention and of the feed-forward network. */
  readonly norms: readonly [string, string]
}

/** What of an encoder is in its config, and under which names. */
export interface EncoderFields {
  readonly hidden: string
  readonly heads: string
  readonly feedForward: string
  readonly layers: string
}

/** Heads, their sizes and the widths of blocks, each a number for all or a list; throws BAD_FILE. */
export const encoderWidths = (raw: RawConfig, fields: EncoderFields, layers: number, usualWidth?: number): readonly EncoderWidths[] => {
  const hidden = extent(raw, fields.hidden)
  const heads = perBlock(raw, fields.heads, layers)
  const divides = typeof raw[fields.heads] === 'number' && hidden % heads[0] === 0
  if (raw.head_dim === undefined && !divides) throw badField(fields.heads, raw[fields.heads], `a divisor of the width ${hidden}`)
  const sizes = perBlock(raw, 'head_dim', layers, hidden / heads[0])
  const widths = perBlock(raw, fields.feedForward, layers, usualWidth)
  return heads.map((count, layer) => ({ heads: count, size: sizes[layer], feedForward: widths[layer] }))
}

const rows = (place: Place, role: Member['role'], span: object): readonly Member[] => axisMembers({ ...place, bias: true }, role, span)
const reads = (site: Site, span: object = {}): Member => ({ parameter: site.weight, axis: site.inAxis, ...span, role: 'reads' })

/** Whole heads, and the channels that all heads of a block have: these are read by queries as far as keys go, by the output as far as values do. */
const attentionCouplings = ({ name, widths: { heads, size }, query, key, value, output }: CoupledBlock): readonly Coupling[] => {
  const each = { repeats: heads, stride: size }
  const queries = outputsOf({ ...query, count: heads * size, bias: true })
  const rescaled: readonly Rescaling[] = queries.map(channels => ({ ...channels, power: 1 / 2 }))
  return [
    {
      ...{ name: `${name}.attention.heads`, kind: 'heads', units: heads },
      members: [...[query, key, value].flatMap(place => rows(place, 'writes', { size })), reads(output, { size })],
    },
    {
      ...{ name: `${name}.attention.sizes`, kind: 'sizes', units: size, rescaled },
      members: [...rows(query, 'reads', each), ...[key, value].flatMap(place => rows(place, 'writes', each)), reads(output, each)],
    },
  ]
}

const neurons = ({ name, widths, up, down }: CoupledBlock): Coupling => ({
  ...{ name: `${name}.neurons`, kind: 'neurons', units: widths.feedForward },
  members: [...rows({ site: up, start: 0 }, 'writes', {}), reads(down)],
})

const written = (site: Site): readonly Member[] => rows({ site, start: 0 }, 'writes', {})
/** A layer norm's weight and bias. */
export const carried = (norm: string): readonly Member[] =>
  ['weight', 'bias'].map(part => ({ parameter: `${norm}.${part}`, axis: 0, role: 'carries' }))

const streamOf = ({ widths, query, key, value, output, up, down, norms }: CoupledBlock, normsStay: boolean): readonly Member[] => {
  const sites = [...new Set([query, key, value].map(({ site }) => site))]
  const [attends, feeds] = [widths.heads > 0, widths.feedForward > 0]
  return [
    ...(attends ? [...sites.map(site => reads(site)), ...written(output)] : []),
    ...(feeds ? [reads(up), ...written(down)] : []),
    ...(attends || normsStay ? carried(norms[0]) : []),
    ...(feeds || normsStay ? carried(norms[1]) : []),
  ]
}

/** Couplings of blocks, and of the stream with what writes and reads it outside of them. */
export const encoderCouplings = (
  hidden: number,
  blocks: readonly CoupledBlock[],
  around: readonly Member[],
  { normsStay, exposed }: Pick<EncoderShape, 'normsStay' | 'exposed'>,
): readonly Coupling[] => [
  {
    ...{ name: 'stream', kind: 'stream', units: hidden, centred: true, ...(exposed ? { exposed } : {}) },
    members: [...around, ...blocks.flatMap(block => streamOf(block, normsStay))],
  },
  ...blocks.flatMap(block => [
    ...(block.widths.heads > 0 ? attentionCouplings(block) : []),
    ...(block.widths.feedForward > 0 ? [neurons(block)] : []),
  ]),
]

const both = (site: Site): readonly string[] => [site.weight, biasOf(site)]
const normed = (norm: string): readonly string[] => [`${norm}.weight`, `${norm}.bias`]

/** The parts of blocks that can be left out; norms behind sums stay where one part goes, and no zeros silence those of a whole block. */
export const encoderBlocks = (blocks: readonly CoupledBlock[], normsStay: boolean): readonly Block[] =>
  blocks.flatMap(({ name: stage, widths, query, key, value, output, up, down, norms }) => {
    const sites = [...new Set([query, key, value].map(({ site }) => site)), output]
    const attention = [...(normsStay ? [] : normed(norms[0])), ...sites.flatMap(both)]
    const network = [...(normsStay ? [] : normed(norms[1])), ...both(up), ...both(down)]
    const [attends, feeds] = [widths.heads > 0, widths.feedForward > 0]
    const silencers = [...(attends ? both(output) : []), ...(feeds ? both(down) : [])]
    const all = [...(attends ? attention : []), ...(feeds ? network : []), ...(normsStay ? norms.flatMap(normed) : [])]
    const own = new Set(norms.flatMap(normed))
    const block = (kind: Block['kind'], name: string, parameters: readonly string[]) => {
      return { name, stage, kind, parameters, norms: parameters.filter(each => own.has(each)) }
    }
    return [
      { ...block('whole', stage, all), ...(normsStay ? {} : { silencedBy: silencers }) },
      ...(attends ? [{ ...block('attention', `${stage}.attention`, attention), silencedBy: both(output) }] : []),
      ...(feeds ? [{ ...block('feedForward', `${stage}.feedForward`, network), silencedBy: both(down) }] : []),
    ]
  })

/** A config behind a change: lists where blocks differ, and `head_dim` where heads times their size is no more the width of the stream. */
const changedConfig = (
  raw: RawConfig,
  fields: EncoderFields,
  hidden: number,
  blocks: readonly CoupledBlock[],
  change: Change,
): RawConfig => {
  const left = blocks
    .filter(({ name }) => !change.without?.has(name))
    .map(({ name, widths }) => ({
      heads: change.without?.has(`${name}.attention`) ? 0 : leftOf(`${name}.attention.heads`, widths.heads, change),
      size: leftOf(`${name}.attention.sizes`, widths.size, change),
      feedForward: change.without?.has(`${name}.feedForward`) ? 0 : leftOf(`${name}.neurons`, widths.feedForward, change),
    }))
  const width = leftOf('stream', hidden, change)
  const isUsual = left.every(({ heads, size }) => heads === left[0].heads && heads * size === width)
  const { head_dim: _before, ...rest } = raw
  const layers = stayingLayers(blocks.length, layer => blocks[layer].name, change)
  return {
    ...rest,
    ...sortedField(sortedUnits(raw, blocks.length), change, layers),
    [fields.hidden]: width,
    [fields.layers]: left.length,
    [fields.heads]: uniform(left.map(({ heads }) => heads)),
    [fields.feedForward]: uniform(left.map(({ feedForward }) => feedForward)),
    ...(isUsual ? {} : { head_dim: uniform(left.map(({ size }) => size)) }),
  }
}

/** All that is to be known of an encoder. */
export interface EncoderShape {
  readonly rawConfig: RawConfig
  readonly fields: EncoderFields
  readonly hidden: number
  readonly blocks: readonly CoupledBlock[]
  /** What writes and reads the stream outside of blocks. */
  readonly around: readonly Member[]
  /** Whether norms stand behind sums, and stay where a part of a block goes. */
  readonly normsStay: boolean
  /** Whether the stream is what comes out. */
  readonly exposed?: boolean
  /** Stands before the number of a block in the names of its parameters. */
  readonly prefix: string
}

/** Everything that lets an encoder shrink. */
export const shrinkingEncoder = (
  network: EncoderShape,
  build: (rawConfig: RawConfig, params: ParameterStore) => Model,
): Pick<Model, 'couplings' | 'blocks' | 'remake' | 'sorted'> => {
  const { rawConfig, fields, hidden, blocks: coupled, around, normsStay, prefix } = network
  const blocks = encoderBlocks(coupled, normsStay)
  const rename = (change: Change): Remade['rename'] => {
    const isGone = goneWith(blocks, change.without ?? new Set())
    const places = new Map(stayingLayers(coupled.length, layer => coupled[layer].name, change).map((layer, place) => [layer, place]))
    return name => {
      const [number, ...rest] = name.startsWith(prefix) ? name.slice(prefix.length).split('.') : []
      if (number === undefined) return name
      const place = places.get(Number(number))
      return place === undefined || isGone(name) ? undefined : `${prefix}${place}.${rest.join('.')}`
    }
  }
  const sorted = sortedUnits(rawConfig, coupled.length)
  return {
    ...(sorted ? { sorted } : {}),
    ...{ blocks, couplings: encoderCouplings(hidden, coupled, around, network) },
    remake: change => ({
      rename: rename(change),
      over: params => build(changedConfig(rawConfig, fields, hidden, coupled, change), params),
    }),
  }
}
