import * as tf from '@tensorflow/tfjs-core'
import type { ConvolutionGeometry, Member, Site, Stage } from '@tersor/core'
import type { ParameterStore } from '@tersor/tensor'
import { checkParameters } from './check-parameters.js'
import { checkCounts } from './config-counts.js'
import { badField, extent, LARGEST_IMAGE } from './config-fields.js'
import { convolutionAt } from './convolution.js'
import { ENCODER_FIELDS, parseEncoderConfig } from './encoder-config.js'
import {
  coupledBlock,
  encoderBlock,
  encoderChannels,
  encoderNames,
  encoderParameters,
  encoderSites,
  type EncoderBlock,
  type EncoderConfig,
} from './encoder-block.js'
import { carried, shrinkingEncoder } from './encoder-couplings.js'
import { biased, NORMAL, normed, type NetworkParameter } from './fresh-weights.js'
import type { ImageClassifier } from './image-classifier.js'
import type { LanguageModelExtras } from './language-model.js'
import { biasOf, layerNorm, linear, linearSite } from './layers.js'
import type { RawConfig } from './raw-config.js'

/** The config of a vision transformer. */
export interface VitConfig extends EncoderConfig {
  readonly imageSize: number
  readonly patchSize: number
  readonly classes: readonly string[]
  /** Pixels become (pixel / 255 − mean) / deviation, channel by channel. */
  readonly mean: readonly number[]
  readonly deviation: readonly number[]
}

const CHANNELS = 3
const FIRST = 'vit.embeddings.cls_token'
const POSITIONS = 'vit.embeddings.position_embeddings'
const PATCHES = 'vit.embeddings.patch_embeddings.projection'
const FINAL_NORM = 'vit.layernorm'
const HEAD: Site = Object.freeze({ ...linearSite('classifier'), head: true })

const BLOCKS = 'vit.encoder.layer.'

const blockOf = (layer: number, { widths }: VitConfig): EncoderBlock => ({
  ...encoderNames(`${BLOCKS}${layer}`, 'attention.attention', ['layernorm_before', 'layernorm_after']),
  widths: widths[layer],
})

const perChannel = (raw: RawConfig, field: string): readonly number[] => {
  const value = raw[field] ?? [0.5, 0.5, 0.5]
  if (Array.isArray(value) && value.length === CHANNELS && value.every(item => Number.isFinite(item))) return value as readonly number[]
  throw badField(field, value, `${CHANNELS} numbers`)
}

/** Reads a config.json of ViT, and `image_mean` and `image_std` of its preprocessor_config.json; throws BAD_FILE. */
export const parseVitConfig = (raw: RawConfig, preprocessor: RawConfig = {}): VitConfig => {
  const imageSize = extent(raw, 'image_size', undefined, LARGEST_IMAGE)
  const patchSize = extent(raw, 'patch_size')
  if (imageSize % patchSize !== 0) throw badField('patch_size', patchSize, `a divisor of the image's ${imageSize}`)
  if (extent(raw, 'num_channels', CHANNELS) !== CHANNELS) throw badField('num_channels', raw.num_channels, `${CHANNELS}`)
  return Object.freeze({
    ...parseEncoderConfig(raw),
    imageSize,
    patchSize,
    mean: perChannel(preprocessor, 'image_mean'),
    deviation: perChannel(preprocessor, 'image_std'),
  })
}

/** Pixels 0 … 255, normalised, cut into patches and projected, behind the token of the class; (batch, height, width, 3) → (batch, 1 + patches, hidden). */
const embedStage = ({ hidden, patchSize, mean, deviation }: VitConfig): Stage => {
  const geometry: ConvolutionGeometry = { kernel: [patchSize, patchSize], strides: [patchSize, patchSize], padding: [0, 0, 0, 0] }
  const site = { name: PATCHES, weight: `${PATCHES}.weight`, kind: 'conv2d', outAxis: 0, inAxis: 1, convolution: geometry } as const
  return {
    name: 'vit.embeddings',
    parameters: [site.weight, biasOf(site), FIRST, POSITIONS],
    sites: [site],
    run: (images, env) =>
      tf.tidy(() => {
        const scale = tf.tensor1d(deviation.map(value => 1 / (255 * value)))
        const shift = tf.tensor1d(deviation.map((value, channel) => mean[channel] / value))
        const x = tf.sub(tf.mul(tf.cast(images, 'float32'), scale), shift)
        const patches = convolutionAt(x, site, env, env.weights(biasOf(site)))
        const [batch, height, width] = patches.shape
        const first = tf.tile(env.weights(FIRST) as tf.Tensor3D, [batch, 1, 1])
        return tf.add(tf.concat([first, tf.reshape(patches, [batch, height * width, hidden])], 1), env.weights(POSITIONS))
      }),
  }
}

const blockStage = (layer: number, config: VitConfig): Stage => {
  const block = blockOf(layer, config)
  return {
    name: block.name,
    parameters: encoderParameters(block, config, true).map(({ name }) => name),
    sites: encoderSites(block),
    ...encoderChannels(block, config, true),
    run: (x, env) => tf.tidy(() => encoderBlock(x, env, block, config, { before: true })),
  }
}

/** classifier(norm(first token)); (batch, tokens, hidden) → (batch, classes). */
const headStage = ({ hidden, epsilon }: VitConfig): Stage => ({
  name: HEAD.name,
  parameters: [`${FINAL_NORM}.weight`, `${FINAL_NORM}.bias`, HEAD.weight, biasOf(HEAD)],
  sites: [HEAD],
  run: (x, env) =>
    tf.tidy(() => {
      const first = tf.reshape(tf.slice(x, [0, 0, 0], [-1, 1, -1]), [-1, hidden])
      return linear(layerNorm(first, FINAL_NORM, env, epsilon), HEAD, env, true)
    }),
})

/** What writes the stream before the blocks and reads it behind them. */
const streamOf = (): readonly Member[] => [
  ...[FIRST, POSITIONS].map(parameter => ({ parameter, axis: 2, role: 'writes' as const })),
  ...[`${PATCHES}.weight`, `${PATCHES}.bias`].map(parameter => ({ parameter, axis: 0, role: 'writes' as const })),
  ...carried(FINAL_NORM),
  { parameter: HEAD.weight, axis: 1, role: 'reads' },
]

/** Every parameter with its shape, in the order of the forward pass. */
export const vitParameters = (config: VitConfig): readonly NetworkParameter[] => {
  const { hidden, imageSize, patchSize, layers, classes } = config
  return [
    { name: FIRST, shape: [1, 1, hidden], start: NORMAL },
    { name: POSITIONS, shape: [1, 1 + (imageSize / patchSize) ** 2, hidden], start: NORMAL },
    ...biased(PATCHES, [hidden, CHANNELS, patchSize, patchSize]),
    ...Array.from({ length: layers }, (_, layer) => encoderParameters(blockOf(layer, config), config, true)).flat(),
    ...normed(FINAL_NORM, hidden),
    ...biased(HEAD.name, [classes.length, hidden]),
  ]
}

/**
 * A vision transformer (Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929) for classification, over Hugging Face's names.
 * Throws BAD_FILE as `parseVitConfig` does, NOT_FOUND and SHAPE where the store does not fit.
 */
export const vitModel = (
  rawConfig: RawConfig,
  params: ParameterStore,
  extras: Pick<LanguageModelExtras, 'provenance' | 'close' | 'notes' | 'storedName'> & { readonly preprocessor?: RawConfig } = {},
): ImageClassifier<VitConfig> => {
  const { preprocessor, notes = [], ...rest } = extras
  checkCounts(rawConfig, params)
  const config = parseVitConfig(rawConfig, preprocessor)
  const unclaimed = checkParameters(vitParameters(config), params)
  const blocks = Array.from({ length: config.layers }, (_, layer) => blockStage(layer, config))
  return Object.freeze({
    ...rest,
    family: 'image' as const,
    architecture: 'vit',
    config,
    rawConfig,
    notes: [...notes, ...unclaimed],
    classes: config.classes,
    imageShape: [config.imageSize, config.imageSize, CHANNELS] as const,
    params,
    stages: Object.freeze([embedStage(config), ...blocks, headStage(config)]),
    ...shrinkingEncoder(
      {
        ...{ rawConfig, fields: ENCODER_FIELDS, hidden: config.hidden, normsStay: false, prefix: BLOCKS, around: streamOf() },
        blocks: blocks.map((_, layer) => coupledBlock(blockOf(layer, config))),
      },
      (raw, next) => vitModel(raw, next, extras),
    ),
  })
}
