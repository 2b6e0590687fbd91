import type { Block, Change, Coupling, Member, Model, Remade } from '@tersor/core'
import type { ParameterStore } from '@tersor/tensor'
import { uniform } from './config-fields.js'
import { goneWith } from './coupled-axes.js'
import type { RawConfig } from './raw-config.js'
import { paddedShortcut, type ResNetConfig, type ResNetGroup, type Shortcut } from './resnet-config.js'
import { blocksOf, convolutionsOf, HEAD, namesOf, type NormedConvolution, type ResNetBlock } from './resnet-parameters.js'

/** What is known of a network. */
interface Described {
  readonly config: ResNetConfig
  readonly rawConfig: RawConfig
  /** Whether its batch norms stand in its convolutions. */
  readonly folded: boolean
}

/** The filters of a convolution, and its norm, or the bias that it was folded into. */
const written = (each: NormedConvolution, folded: boolean): readonly Member[] => {
  const [weight, ...after] = namesOf(each, folded)
  return [
    { parameter: weight, axis: 0, role: 'writes' },
    ...after.map(parameter => ({ parameter, axis: 0, role: folded ? ('writes' as const) : ('carries' as const) })),
  ]
}

const read = ({ site }: NormedConvolution): Member => ({ parameter: site.weight, axis: 1, role: 'reads' })

/** Between the two convolutions of a block; once their norms are folded, a ReLU alone lies there. */
const innerCoupling = ({ name, first, second }: ResNetBlock, folded: boolean): Coupling => ({
  ...{ name: `${name}.channels`, kind: 'channels', units: first.outputs, ...(folded ? { homogeneous: true } : {}) },
  members: [...written(first, folded), read(second)],
})

/** The group that a stream begins with: a group that changes nothing on the way around its first block goes on with the stream before. */
const streamsOf = (groups: readonly ResNetGroup[]): readonly string[] => {
  const names: string[] = []
  for (const { name, shortcut } of groups) names.push(shortcut === 'identity' && names.length > 0 ? names.at(-1)! : `${name}.stream`)
  return names
}

/** The stream that the stem writes, where the first group does not go on with it. */
const stemStream = ({ groups }: ResNetConfig): string => (groups[0].shortcut === 'identity' ? streamsOf(groups)[0] : 'stem.stream')

const streamCouplings = ({ config, folded }: Described): readonly Coupling[] => {
  const { groups } = config
  const members = new Map<string, { units: number; members: Member[] }>()
  const add = (name: string, units: number, more: readonly Member[]): void => {
    const held = members.get(name) ?? { units, members: [] }
    held.members.push(...more)
    members.set(name, held)
  }
  const names = streamsOf(groups)
  let before = stemStream(config)
  add(before, groups[0].inputs, written(convolutionsOf(config)[0], folded))
  groups.forEach((group, at) => {
    for (const { first, second, projection, shortcut } of blocksOf(group)) {
      const from = shortcut === 'identity' ? names[at] : before
      add(from, first.inputs, [read(first), ...(projection ? [read(projection)] : [])])
      add(names[at], second.outputs, [...written(second, folded), ...(projection ? written(projection, folded) : [])])
    }
    before = names[at]
  })
  add(before, groups.at(-1)!.outputs, [{ parameter: HEAD.weight, axis: HEAD.inAxis, role: 'reads' }])
  return [...members].map(([name, coupling]) => ({ name, kind: 'stream', ...coupling }))
}

/** Blocks with nothing on the way around them: what they add is left out by filters, gains and biases of zero. */
const resNetBlocks = ({ config, folded }: Described): readonly Block[] =>
  config.groups
    .flatMap(blocksOf)
    .filter(({ shortcut }) => shortcut === 'identity')
    .map(({ name, first, second }) => ({
      ...{ name, stage: name, kind: 'whole' },
      parameters: [...namesOf(first, folded), ...namesOf(second, folded)],
      silencedBy: namesOf(second, folded).filter(parameter => !/running_(mean|var)$/.test(parameter)),
      norms: folded ? [] : [first, second].flatMap(each => namesOf(each, folded).slice(1)),
    }))

const every = (count: number): readonly number[] => Array.from({ length: count }, (_, unit) => unit)

/** Where channels that stay come from, among those that stay of the stream before. */
const leftShortcut = (shortcut: Shortcut, before: readonly number[], after: readonly number[]): Shortcut =>
  typeof shortcut === 'string' ? shortcut : after.map(channel => before.indexOf(shortcut[channel]))

/** Whether a shortcut is what a description means that names none. */
const isUsualShortcut = (shortcut: Shortcut, inputs: number, outputs: number): boolean =>
  typeof shortcut !== 'string' &&
  outputs >= inputs &&
  (outputs - inputs) % 2 === 0 &&
  paddedShortcut(inputs, outputs).every((source, channel) => source === shortcut[channel])

/** The description of a network behind a change: the way around a block without parameters becomes a list of channels. */
const changedDescription = ({ config, rawConfig }: Described, { keep = new Map(), without = new Set() }: Change): RawConfig => {
  const { groups } = config
  const names = streamsOf(groups)
  let before: readonly number[] = keep.get(stemStream(config)) ?? every(groups[0].inputs)
  const stages = groups.map((group, at) => {
    const staying = blocksOf(group).filter(({ name }) => !without.has(name))
    const after = keep.get(names[at]) ?? every(group.outputs)
    const shortcut = leftShortcut(group.shortcut, before, after)
    const inner = staying.map(({ name, first }) => keep.get(`${name}.channels`)?.length ?? first.outputs)
    const isUsual = inner.every(count => count === after.length)
    const stage = {
      ...{ name: group.name, blocks: staying.length, in: before.length, planes: after.length, stride: group.stride },
      ...(shortcut === 'identity' || isUsualShortcut(shortcut, before.length, after.length) ? {} : { shortcut }),
      ...(isUsual ? {} : { inner: uniform(inner) }),
    }
    before = after
    return stage
  })
  return { ...rawConfig, stages }
}

/** Everything that lets a ResNet shrink. */
export const shrinkingResNet = (
  described: Described,
  build: (rawConfig: RawConfig, params: ParameterStore) => Model,
): Pick<Model, 'couplings' | 'blocks' | 'remake'> => {
  const { config, folded } = described
  const blocks = resNetBlocks(described)
  const all = config.groups.flatMap(blocksOf)
  const rename = ({ without = new Set<string>() }: Change): Remade['rename'] => {
    const isGone = goneWith(blocks, without)
    const places = new Map(
      config.groups.flatMap(group =>
        blocksOf(group)
          .filter(({ name }) => !without.has(name))
          .map(({ name }, place) => [name, `${group.name}.${place}`] as const),
      ),
    )
    const blockOf = (parameter: string): string | undefined => all.find(({ name }) => parameter.startsWith(`${name}.`))?.name
    return parameter => {
      const block = blockOf(parameter)
      if (isGone(parameter)) return undefined
      return block === undefined ? parameter : `${places.get(block)}${parameter.slice(block.length)}`
    }
  }
  return {
    blocks,
    couplings: [...streamCouplings(described), ...all.map(block => innerCoupling(block, folded))],
    remake: change => ({ rename: rename(change), over: params => build(changedDescription(described, change), params) }),
  }
}
