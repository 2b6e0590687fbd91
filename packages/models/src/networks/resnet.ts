import * as tf from '@tensorflow/tfjs-core'
import type { ConvolutionGeometry, Coupling, Env, Provenance, Site, Stage, Statistics } from '@tersor/core'
import { siteInput } from '@tersor/core/model'
import { everyNth } from '@tersor/core/internal/model/unfold'
import type { ParameterStore } from '@tersor/tensor'
import { convolution } from './convolution.js'
import { checkParameters } from './check-parameters.js'
import { checkCount } from './config-counts.js'
import { ONES, ZEROS, type NetworkParameter, type Start } from './fresh-weights.js'
import type { ImageClassifier } from './image-classifier.js'
import { linear } from './layers.js'
import type { RawConfig } from './raw-config.js'
import { parseResNetConfig, type ResNetConfig, type ResNetGroup } from './resnet-config.js'

const KERNEL = 3
const RUNNING = ['running_mean', 'running_var'] as const
const MEASURES = ['weight', 'bias', ...RUNNING] as const

/** A convolution and the batch norm behind it, or the bias that the norm was folded into. */
export interface NormedConvolution {
  readonly site: Site & { readonly convolution: ConvolutionGeometry }
  readonly inputs: number
  readonly outputs: number
  /** Prefix of the norm's parameters. */
  readonly norm: string
}

const normedConvolution = (prefix: string, index: number, inputs: number, outputs: number, stride: number): NormedConvolution => {
  const name = `${prefix}conv${index}`
  const geometry: ConvolutionGeometry = { kernel: [KERNEL, KERNEL], strides: [stride, stride], padding: [1, 1, 1, 1] }
  return {
    site: Object.freeze({ name, weight: `${name}.weight`, kind: 'conv2d', outAxis: 0, inAxis: 1, convolution: geometry }),
    inputs,
    outputs,
    norm: `${prefix}bn${index}`,
  }
}

const stemOf = ({ groups, imageShape }: ResNetConfig): NormedConvolution => normedConvolution('', 1, imageShape[2], groups[0].inputs, 1)

interface Block {
  readonly name: string
  readonly first: NormedConvolution
  readonly second: NormedConvolution
  readonly stride: number
}

const blocksOf = ({ name, blocks, inputs, outputs, stride }: ResNetGroup): readonly Block[] =>
  Array.from({ length: blocks }, (_, i) => {
    const prefix = `${name}.${i}.`
    const step = i === 0 ? stride : 1
    return {
      name: `${name}.${i}`,
      first: normedConvolution(prefix, 1, i === 0 ? inputs : outputs, outputs, step),
      second: normedConvolution(prefix, 2, outputs, outputs, 1),
      stride: step,
    }
  })

/** Every convolution of a network with its norm, in the order of the forward pass. */
export const convolutionsOf = (config: ResNetConfig): readonly NormedConvolution[] => [
  stemOf(config),
  ...config.groups.flatMap(blocksOf).flatMap(({ first, second }) => [first, second]),
]

const HEAD: Site = Object.freeze({ name: 'linear', weight: 'linear.weight', kind: 'linear', outAxis: 0, inAxis: 1, head: true })

const namesOf = ({ site, norm }: NormedConvolution, folded: boolean): readonly string[] => [
  site.weight,
  ...(folded ? [`${site.name}.bias`] : MEASURES.map(measure => `${norm}.${measure}`)),
]

/** PyTorch's, which these networks were trained with. */
const MOMENTUM = 0.1

const statisticsOf = ({ norm }: NormedConvolution): Statistics => {
  const [mean, variance] = RUNNING.map(measure => `${norm}.${measure}`)
  return { norm, mean, variance, momentum: MOMENTUM }
}

/** What training leaves as it was, and what the batch norms among them are. */
const measuresOf = (folded: boolean, ...convolutions: readonly NormedConvolution[]): Pick<Stage, 'buffers' | 'statistics'> => {
  const statistics = folded ? [] : convolutions.map(statisticsOf)
  return { buffers: statistics.flatMap(({ mean, variance }) => [mean, variance]), statistics }
}

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
      const kernel: Start = { kind: 'kaiming', fanOut: outputs * KERNEL ** 2 }
      return [
        { name: weight, shape: [outputs, inputs, KERNEL, KERNEL], start: kernel },
        ...after.map(name => ({ name, shape: [outputs], start: MEASURED[name.split('.').at(-1)!] ?? ZEROS })),
      ]
    }),
    { name: HEAD.weight, shape: [config.classes.length, features], start },
    { name: `${HEAD.name}.bias`, shape: [config.classes.length], start },
  ]
}

interface Shared {
  readonly config: ResNetConfig
  readonly folded: boolean
}

/** The convolution at a site with what follows it: its norm, or the bias that the norm was folded into. */
const convolve = (input: tf.Tensor, normed: NormedConvolution, env: Env, { config, folded }: Shared): tf.Tensor => {
  const { site, norm } = normed
  const x = siteInput(site, input, env)
  const weight = env.weights(site.weight)
  if (folded) return convolution(x, weight, site.convolution, env.weights(`${site.name}.bias`))
  const [gain, bias, mean, variance] = MEASURES.map(measure => env.weights(`${norm}.${measure}`))
  const measured = env.moments && ((y: tf.Tensor) => env.moments!(statisticsOf(normed), y))
  return convolution(x, weight, site.convolution, { gain, bias, moments: measured ?? { mean, variance }, epsilon: config.epsilon })
}

/** The way around a block: every stride-th pixel, and zeros for the channels that the block adds, half before and half after. */
const shortcut = (x: tf.Tensor, { first, second, stride }: Block): tf.Tensor => {
  if (stride === 1 && first.inputs === second.outputs) return x
  const beside = (second.outputs - first.inputs) / 2
  return tf.pad(everyNth(x, [stride, stride]) as tf.Tensor4D, [
    [0, 0],
    [0, 0],
    [0, 0],
    [beside, beside],
  ])
}

/** Pixels 0 … 255, normalised as the network was trained, then the first convolution; this is the one place that knows of pixels. */
const stemStage = (shared: Shared): Stage => {
  const { mean, deviation } = shared.config
  const stem = stemOf(shared.config)
  return {
    name: 'stem',
    parameters: namesOf(stem, shared.folded),
    ...measuresOf(shared.folded, stem),
    sites: [stem.site],
    run: (images, env) =>
      tf.tidy(() => {
        const scale = tf.tensor1d(deviation.map(value => 1 / (255 * value)))
        const shift = tf.tensor1d(deviation.map((value, channel) => mean[channel] / value))
        const x = tf.sub(tf.mul(tf.cast(images, 'float32'), scale), shift) // (batch, height, width, 3)
        return tf.relu(convolve(x, stem, env, shared))
      }),
  }
}

/** relu(norm(conv(relu(norm(conv(x))))) + shortcut(x)). */
const blockStage = (block: Block, shared: Shared): Stage => ({
  name: block.name,
  parameters: [...namesOf(block.first, shared.folded), ...namesOf(block.second, shared.folded)],
  ...measuresOf(shared.folded, block.first, block.second),
  sites: [block.first.site, block.second.site],
  run: (x, env) =>
    tf.tidy(() => {
      const inner = tf.relu(convolve(x, block.first, env, shared))
      return tf.relu(tf.add(convolve(inner, block.second, env, shared), shortcut(x, block)))
    }),
})

/** The mean over all pixels, then the linear head; (batch, height, width, channels) → (batch, classes). */
const headStage = (): Stage => ({
  name: HEAD.name,
  parameters: [HEAD.weight, `${HEAD.name}.bias`],
  sites: [HEAD],
  run: (x, env) => tf.tidy(() => linear(tf.mean(x, [1, 2]), HEAD, env, true)),
})

/** The stages of a network: stem, blocks, head. */
export const resNetStages = (config: ResNetConfig, folded: boolean): readonly Stage[] => {
  const shared = { config, folded }
  return Object.freeze([stemStage(shared), ...config.groups.flatMap(blocksOf).map(block => blockStage(block, shared)), headStage()])
}

/** Between the two convolutions of a block, once their norms are folded, lies a ReLU alone. */
export const resNetCouplings = ({ groups }: ResNetConfig): readonly Coupling[] =>
  groups.flatMap(blocksOf).map(({ name, first, second }) => ({
    name: `${name}.channels`,
    kind: 'channels',
    units: first.outputs,
    members: [
      { parameter: first.site.weight, axis: 0, role: 'writes' },
      { parameter: `${first.site.name}.bias`, axis: 0, role: 'writes' },
      { parameter: second.site.weight, axis: 1, role: 'reads' },
    ],
    homogeneous: true,
  }))

/** Whether the batch norms of a store stand in its convolutions. */
export const isFolded = (params: ParameterStore): boolean => params.names().includes('conv1.bias')

/**
 * A ResNet for small images over a store with PyTorch's parameter names, its batch norms apart or folded.
 * Throws UNSUPPORTED and BAD_FILE as `parseResNetConfig` does, NOT_FOUND and SHAPE where the store does not fit the description.
 */
export const resNetModel = (
  rawConfig: RawConfig,
  params: ParameterStore,
  extras: { readonly provenance?: readonly Provenance[]; readonly close?: () => Promise<void> } = {},
): ImageClassifier<ResNetConfig> => {
  const config = parseResNetConfig(rawConfig)
  const folded = isFolded(params)
  checkCount(
    'stages',
    config.groups.reduce((sum, { blocks }) => sum + blocks, 0),
    params,
  )
  checkParameters(resNetParameters(config, folded), params)
  return Object.freeze({
    ...extras,
    family: 'image' as const,
    architecture: config.name,
    config,
    rawConfig,
    classes: config.classes,
    imageShape: config.imageShape,
    params,
    stages: resNetStages(config, folded),
    with: (next: ParameterStore) => resNetModel(rawConfig, next, extras),
    ...(folded ? { couplings: resNetCouplings(config) } : {}),
  })
}
