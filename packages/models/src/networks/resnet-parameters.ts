import type { ConvolutionGeometry, Site } from '@tersor/core'
import { ONES, ZEROS, type NetworkParameter, type Start } from './fresh-weights.js'
import type { ResNetConfig, ResNetGroup, Shortcut } from './resnet-config.js'

const KERNEL = 3
export const RUNNING = ['running_mean', 'running_var'] as const
export const MEASURES = ['weight', 'bias', ...RUNNING] as const

/** A convolution and the batch norm behind it, or the bias that the norm was folded into. */
export interface NormedConvolution {
  readonly site: Site & { readonly convolution: ConvolutionGeometry }
  readonly inputs: number
  readonly outputs: number
  /** Prefix of the norm's parameters. */
  readonly norm: string
}

/** Channels in and out of a convolution, and its stride. */
type Channels = readonly [inputs: number, outputs: number, stride: number]

const normedConvolution = (name: string, norm: string, size: number, [inputs, outputs, stride]: Channels): NormedConvolution => {
  const around = (size - 1) / 2
  const geometry: ConvolutionGeometry = { kernel: [size, size], strides: [stride, stride], padding: [around, around, around, around] }
  const site = { name, weight: `${name}.weight`, kind: 'conv2d', outAxis: 0, inAxis: 1, convolution: geometry } as const
  return { site: Object.freeze(site), inputs, outputs, norm }
}

export const stemOf = ({ groups, imageShape }: ResNetConfig): NormedConvolution =>
  normedConvolution('conv1', 'bn1', KERNEL, [imageShape[2], groups[0].inputs, 1])

/** A block of two convolutions and the way around it. */
export interface ResNetBlock {
  readonly name: string
  readonly first: NormedConvolution
  readonly second: NormedConvolution
  readonly stride: number
  readonly shortcut: Shortcut
  /** Of a projection. */
  readonly projection?: NormedConvolution
}

/** The blocks of a group; the first goes from one stream into the next, unless nothing is done on the way around it. */
export const blocksOf = ({ name, blocks, inputs, outputs, stride, inner, shortcut }: ResNetGroup): readonly ResNetBlock[] =>
  Array.from({ length: blocks }, (_, i) => {
    const prefix = `${name}.${i}.`
    const [from, step, around] = i === 0 ? [inputs, stride, shortcut] : [outputs, 1, 'identity' as const]
    return {
      name: `${name}.${i}`,
      first: normedConvolution(`${prefix}conv1`, `${prefix}bn1`, KERNEL, [from, inner[i], step]),
      second: normedConvolution(`${prefix}conv2`, `${prefix}bn2`, KERNEL, [inner[i], outputs, 1]),
      stride: step,
      shortcut: around,
      ...(around === 'projection'
        ? { projection: normedConvolution(`${prefix}shortcut.0`, `${prefix}shortcut.1`, 1, [from, outputs, step]) }
        : {}),
    }
  })

/** The convolutions of a block, in the order of the forward pass. */
export const withinBlock = ({ first, second, projection }: ResNetBlock): readonly NormedConvolution[] => [
  ...[first, second],
  ...(projection ? [projection] : []),
]

/** Every convolution of a network with its norm, in the order of the forward pass. */
export const convolutionsOf = (config: ResNetConfig): readonly NormedConvolution[] => [
  stemOf(config),
  ...config.groups.flatMap(blocksOf).flatMap(withinBlock),
]

export const HEAD: Site = Object.freeze({ name: 'linear', weight: 'linear.weight', kind: 'linear', outAxis: 0, inAxis: 1, head: true })

/** The names of a convolution and of what follows it. */
export const namesOf = ({ site, norm }: NormedConvolution, folded: boolean): readonly string[] => [
  site.weight,
  ...(folded ? [`${site.name}.bias`] : MEASURES.map(measure => `${norm}.${measure}`)),
]

/** What a fresh norm begins with; a bias in its place begins with zeros. */
const MEASURED: Readonly<Record<string, Start>> = { weight: ONES, running_var: ONES }

/** Every parameter with its shape, in the order of the forward pass. */
export const resNetParameters = (config: ResNetConfig, folded: boolean): readonly NetworkParameter[] => {
  const features = config.groups[config.groups.length - 1].outputs
  const start: Start = { kind: 'uniform', bound: 1 / Math.sqrt(features) }
  return [
    ...convolutionsOf(config).flatMap(each => {
      const [weight, ...after] = namesOf(each, folded)
      const { inputs, outputs } = each
      const { kernel } = each.site.convolution
      const law: Start = { kind: 'kaiming', fanOut: outputs * kernel[0] * kernel[1] }
      return [
        { name: weight, shape: [outputs, inputs, ...kernel], start: law },
        ...after.map(name => ({ name, shape: [outputs], start: MEASURED[name.split('.').at(-1)!] ?? ZEROS })),
      ]
    }),
    { name: HEAD.weight, shape: [config.classes.length, features], start },
    { name: `${HEAD.name}.bias`, shape: [config.classes.length], start },
  ]
}
