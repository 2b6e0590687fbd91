import * as tf from '@tensorflow/tfjs-core'
import type { Env, Provenance, Stage, Statistics } from '@tersor/core'
import { everyNth } from '@tersor/core/internal/model/unfold'
import type { ParameterStore } from '@tersor/tensor'
import { convolutionAt } from './convolution.js'
import { checkParameters } from './check-parameters.js'
import { checkCount } from './config-counts.js'
import type { ImageClassifier } from './image-classifier.js'
import { linear } from './layers.js'
import type { RawConfig } from './raw-config.js'
import { parseResNetConfig, type ResNetConfig } from './resnet-config.js'
import {
  blocksOf,
  HEAD,
  MEASURES,
  namesOf,
  resNetParameters,
  RUNNING,
  stemOf,
  withinBlock,
  type NormedConvolution,
  type ResNetBlock,
} from './resnet-parameters.js'
import { shrinkingResNet } from './resnet-couplings.js'

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

interface Shared {
  readonly config: ResNetConfig
  readonly folded: boolean
}

/** The convolution at a site with what follows it: its norm, or the bias that the norm was folded into. */
const convolve = (input: tf.Tensor, normed: NormedConvolution, env: Env, { config, folded }: Shared): tf.Tensor => {
  const { site, norm } = normed
  if (folded) return convolutionAt(input, site, env, env.weights(`${site.name}.bias`))
  const [gain, bias, mean, variance] = MEASURES.map(measure => env.weights(`${norm}.${measure}`))
  const measured = env.moments && ((y: tf.Tensor) => env.moments!(statisticsOf(normed), y))
  return convolutionAt(input, site, env, { gain, bias, moments: measured ?? { mean, variance }, epsilon: config.epsilon })
}

/** Channels by where they come from, zeros for −1; x: (batch, height, width, channels). */
const channelsFrom = (x: tf.Tensor, sources: readonly number[]): tf.Tensor => {
  const channels = x.shape[3]!
  const withZeros = tf.pad(x, [[0, 0], [0, 0], [0, 0], [0, 1]]) // prettier-ignore
  const indices = sources.map(source => (source < 0 ? channels : source))
  return tf.gather(withZeros, tf.tensor1d(indices, 'int32'), 3)
}

/** The way around a block: a projection, or every stride-th pixel and for each channel the one that it comes from. */
const shortcut = (x: tf.Tensor, { projection, shortcut: sources, stride }: ResNetBlock, env: Env, shared: Shared): tf.Tensor => {
  if (projection) return convolve(x, projection, env, shared)
  return typeof sources === 'string' ? x : channelsFrom(everyNth(x as tf.Tensor4D, [stride, stride]), sources)
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
const blockStage = (block: ResNetBlock, shared: Shared): Stage => ({
  name: block.name,
  parameters: withinBlock(block).flatMap(each => namesOf(each, shared.folded)),
  ...measuresOf(shared.folded, ...withinBlock(block)),
  sites: withinBlock(block).map(({ site }) => site),
  run: (x, env) =>
    tf.tidy(() => {
      const inner = tf.relu(convolve(x, block.first, env, shared))
      return tf.relu(tf.add(convolve(inner, block.second, env, shared), shortcut(x, block, env, shared)))
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
    ...shrinkingResNet({ config, rawConfig, folded }, (raw, next) => resNetModel(raw, next, extras)),
  })
}
