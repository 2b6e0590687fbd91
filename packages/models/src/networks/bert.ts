import * as tf from '@tensorflow/tfjs-core'
import type { Stage } from '@tersor/core'
import type { ParameterStore } from '@tersor/tensor'
import { paddedBand } from './bands.js'
import { checkCounts } from './config-counts.js'
import {
  bertParameters,
  bertStream,
  blockOf,
  BLOCKS,
  CLASSIFIER,
  decoderSite,
  EMBEDDING_NORM,
  parseBertConfig,
  POOLER,
  POSITIONS,
  TRANSFORM,
  TRANSFORM_NORM,
  TYPES,
  WORDS,
  type BertConfig,
} from './bert-parameters.js'
import { checkParameters } from './check-parameters.js'
import { coupledBlock, encoderBlock, encoderChannels, encoderParameters, encoderSites } from './encoder-block.js'
import { ENCODER_FIELDS } from './encoder-config.js'
import { shrinkingEncoder } from './encoder-couplings.js'
import { ACTIVATIONS, biasOf, embed, layerNorm, linear } from './layers.js'
import type { LanguageModelExtras } from './language-model.js'
import type { RawConfig } from './raw-config.js'
import type { TextEncoder } from './text-encoder.js'

export type { BertConfig }

/** norm(words + positions + first token type); ids (batch, tokens) → (batch, tokens, hidden). */
const embedStage = ({ epsilon }: BertConfig): Stage => ({
  name: 'bert.embeddings',
  parameters: [WORDS.weight, POSITIONS, TYPES, `${EMBEDDING_NORM}.weight`, `${EMBEDDING_NORM}.bias`],
  sites: [WORDS],
  run: (ids, env) =>
    tf.tidy(() => {
      const [batch, tokens] = ids.shape
      const words = embed(env.weights(WORDS.weight), ids)
      const around = tf.add(
        embed(env.weights(POSITIONS), env.positions ?? tf.range(0, tokens, 1, 'int32')),
        tf.slice(env.weights(TYPES), [0, 0], [1, -1]),
      )
      const rows = tf.reshape(tf.add(words, around), [batch * tokens, -1])
      return tf.reshape(layerNorm(rows, EMBEDDING_NORM, env, epsilon), words.shape)
    }),
})

const blockStage = (layer: number, config: BertConfig): Stage => {
  const block = blockOf(layer, config)
  return {
    name: block.name,
    parameters: encoderParameters(block, config, false).map(({ name }) => name),
    sites: encoderSites(block),
    ...encoderChannels(block, config, false),
    run: (x, env) =>
      tf.tidy(() => {
        const padded = env.attended && block.widths.heads > 0 ? { band: paddedBand(env.attended, block.widths.heads) } : {}
        return encoderBlock(x, env, block, config, { before: false, ...padded })
      }),
  }
}

/** classifier(tanh(pooler(first token))); (batch, tokens, hidden) → (batch, classes). */
const classifierStage = ({ hidden }: BertConfig): Stage => ({
  name: CLASSIFIER.name,
  parameters: [POOLER, CLASSIFIER].flatMap(site => [site.weight, biasOf(site)]),
  sites: [POOLER, CLASSIFIER],
  run: (x, env) =>
    tf.tidy(() => {
      const first = tf.reshape(tf.slice(x, [0, 0, 0], [-1, 1, -1]), [-1, hidden])
      return linear(tf.tanh(linear(first, POOLER, env, true)), CLASSIFIER, env, true)
    }),
})

/** norm(gelu(transform(x))) · wordsᵀ + bias; (batch, tokens, hidden) → (batch, tokens, vocabulary). */
const maskedStage = (config: BertConfig): Stage => {
  const { hidden, vocabularySize, activation, epsilon } = config
  const decoder = decoderSite(config)
  const norm = [`${TRANSFORM_NORM}.weight`, `${TRANSFORM_NORM}.bias`]
  return {
    name: decoder.name,
    parameters: [TRANSFORM.weight, biasOf(TRANSFORM), ...norm, decoder.weight, biasOf(decoder)],
    sites: [TRANSFORM, decoder],
    run: (x, env) =>
      tf.tidy(() => {
        const [batch, tokens] = x.shape
        const inner = ACTIVATIONS[activation](linear(tf.reshape(x, [batch * tokens, hidden]), TRANSFORM, env, true))
        return tf.reshape(linear(layerNorm(inner, TRANSFORM_NORM, env, epsilon), decoder, env, true), [batch, tokens, vocabularySize])
      }),
  }
}

const HEAD_STAGES: Readonly<Record<TextEncoder['task'], (config: BertConfig) => readonly Stage[]>> = {
  classification: config => [classifierStage(config)],
  'masked-language': config => [maskedStage(config)],
  'hidden-states': () => [],
}

/** What other programs read: the pooler behind the hidden states of an embedding model, and a copy of the decoder's bias. */
const CARRIED = /^bert\.pooler\.|^cls\.predictions\.(decoder\.)?bias$/

/**
 * A BERT (Devlin et al. 2019, https://arxiv.org/abs/1810.04805) for classification, masked tokens or, without a head, hidden states
 * (batch, tokens, hidden), over Hugging Face's names.
 * All tokens are of the first type; `env.attended` marks padding. Throws UNSUPPORTED for another head, BAD_FILE for absurd fields,
 * NOT_FOUND and SHAPE where the store does not fit.
 */
export const bertModel = (
  rawConfig: RawConfig,
  params: ParameterStore,
  extras: Omit<LanguageModelExtras, 'generationConfig'> = {},
): TextEncoder<BertConfig> => {
  const { notes = [], ...rest } = extras
  checkCounts(rawConfig, params)
  const config = parseBertConfig(rawConfig, params.names())
  const { task } = config
  const carried = params.names().filter(name => CARRIED.test(name))
  const unclaimed = checkParameters(bertParameters(config), params, carried)
  const blocks = Array.from({ length: config.layers }, (_, layer) => blockStage(layer, config))
  return Object.freeze({
    ...rest,
    family: 'encoder' as const,
    task,
    architecture: 'bert',
    config,
    rawConfig,
    notes: [...notes, ...unclaimed],
    contextLength: config.contextLength,
    vocabularySize: config.vocabularySize,
    params,
    stages: Object.freeze([embedStage(config), ...blocks, ...HEAD_STAGES[task](config)]),
    ...shrinkingEncoder(
      {
        ...{ rawConfig, fields: ENCODER_FIELDS, hidden: config.hidden, normsStay: true, prefix: BLOCKS, exposed: task === 'hidden-states' },
        blocks: blocks.map((_, layer) => coupledBlock(blockOf(layer, config))),
        around: bertStream(config, params.names()),
      },
      (raw, next) => bertModel(raw, next, extras),
    ),
  })
}
