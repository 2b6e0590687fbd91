import { CompressionError } from '@tersor/tensor'
import { badField, extent, LARGEST_IMAGE, perBlock, positive, record } from './config-fields.js'
import type { RawConfig } from './raw-config.js'

/**
 * The way around the first block of a group: nothing is done (`identity`), a convolution of one pixel with a norm (`projection`), or no parameters,
 * and for each channel the one that it comes from, −1 where it begins with zeros.
 */
export type Shortcut = 'identity' | 'projection' | readonly number[]

/** Blocks of one width; the first may halve the image. */
export interface ResNetGroup {
  readonly name: string
  readonly blocks: number
  readonly inputs: number
  readonly outputs: number
  readonly stride: number
  /** Of each block, the channels between its two convolutions. */
  readonly inner: readonly number[]
  readonly shortcut: Shortcut
}

/** A ResNet for small images, as He et al. 2016 (https://arxiv.org/abs/1512.03385, section 4.2) built it for CIFAR-10. */
export interface ResNetConfig {
  readonly name: string
  readonly imageShape: readonly [number, number, number]
  /** Pixels become (pixel / 255 − mean) / deviation, channel by channel. */
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
  readonly classes: readonly string[]
  /** Added to the variance in batch norms. */
  readonly epsilon: number
  readonly groups: readonly ResNetGroup[]
}

const list = <T>(raw: RawConfig, field: string, is: (value: unknown) => value is T, expected: string, length?: number): readonly T[] => {
  const value = raw[field]
  const fits = Array.isArray(value) && value.length > 0 && (length === undefined || value.length === length) && value.every(is)
  if (!fits) throw badField(field, value, expected)
  return value
}

const isText = (value: unknown): value is string => typeof value === 'string'
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)
const isObject = (value: unknown): value is RawConfig => typeof value === 'object' && value !== null

/** More blocks than any of the paper's networks has in a group, and not so many that naming them takes memory. */
const MOST_BLOCKS = 1000

/** Channels between two halves of zeros, as the paper's option A has it. */
export const paddedShortcut = (inputs: number, outputs: number): readonly number[] => {
  const beside = (outputs - inputs) / 2
  return Array.from({ length: outputs }, (_, channel) => (channel >= beside && channel < beside + inputs ? channel - beside : -1))
}

type Extents = Pick<ResNetGroup, 'inputs' | 'outputs' | 'stride'>

const shortcutOf = (raw: RawConfig, { inputs, outputs, stride }: Extents): Shortcut => {
  const { shortcut } = raw
  if (shortcut === 'projection') return shortcut
  if (shortcut !== undefined) {
    const isSource = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= -1 && (value as number) < inputs
    const expected = `"projection", or for each of ${outputs} channels the one of ${inputs} that it comes from, -1 for none`
    return list(raw, 'shortcut', isSource, expected, outputs)
  }
  if (stride === 1 && inputs === outputs) return 'identity'
  const padded = outputs - inputs
  if (padded < 0 || padded % 2 !== 0) throw badField('planes', outputs, `${inputs} and an even number more, to pad both sides`)
  return paddedShortcut(inputs, outputs)
}

const groupOf = (raw: RawConfig): ResNetGroup => {
  const [name] = list({ name: [raw.name] }, 'name', isText, 'the name of a group of blocks')
  const extents = { inputs: extent(raw, 'in'), outputs: extent(raw, 'planes'), stride: extent(raw, 'stride') }
  const shortcut = shortcutOf(raw, extents)
  const blocks = raw.blocks === 0 && shortcut === 'identity' ? 0 : extent(raw, 'blocks', undefined, MOST_BLOCKS) // what changes nothing may go
  return { name, blocks, ...extents, shortcut, inner: blocks === 0 ? [] : innerOf(raw, blocks, extents.outputs) }
}

/** Channels between the two convolutions of each block, as many as behind them where nothing is said. */
const innerOf = (raw: RawConfig, blocks: number, outputs: number): readonly number[] => {
  const inner = perBlock(raw, 'inner', blocks, outputs)
  if (inner.includes(0)) throw badField('inner', raw.inner, 'numbers of channels from 1 on, one a block')
  return inner
}

const checkChain = (groups: readonly ResNetGroup[]): void =>
  groups.forEach((group, i) => {
    const before = groups[i - 1]
    if (before && group.inputs !== before.outputs) throw badField('in', group.inputs, `the ${before.outputs} channels of "${before.name}"`)
  })

/** Reads the description beside a ResNet's weights; throws UNSUPPORTED for another network and BAD_FILE for missing or absurd fields. */
export const parseResNetConfig = (raw: RawConfig): ResNetConfig => {
  const name = raw.name
  if (typeof name !== 'string' || !/^resnet\d+$/.test(name)) {
    throw new CompressionError(
      'UNSUPPORTED',
      `The network ${JSON.stringify(name ?? null)} is not one this package runs from a description.`,
      'Known are resnet20, resnet32, resnet44, resnet56 and their like for small images.',
      { name },
    )
  }
  const input = record(raw, 'input') ?? {}
  const normalization = record(input, 'normalization') ?? {}
  const [channels, height, width] = list(input, 'shape', isNumber, 'the channels, height and width of an image', 3)
  if (channels !== 3) throw badField('shape', input.shape, '3 channels')
  for (const size of [height, width]) extent({ shape: size }, 'shape', undefined, LARGEST_IMAGE)
  const groups = list(raw, 'stages', isObject, 'a list of groups of blocks').map(groupOf)
  checkChain(groups)
  return Object.freeze({
    name,
    imageShape: [height, width, channels] as const,
    mean: list(normalization, 'mean', isNumber, 'three numbers', 3),
    deviation: list(normalization, 'std', isNumber, 'three numbers', 3),
    classes: list(raw, 'classes', isText, 'the names of the classes'),
    epsilon: positive(raw, 'bn_eps', 1e-5),
    groups,
  })
}
