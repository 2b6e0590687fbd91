import * as tf from '@tensorflow/tfjs-core'
import type { Site, Stage } from '@tersor/core'
import { CompressionError, type ParameterStore } from '@tersor/tensor'
import { paddedBand } from './bands.js'
import { checkParameters } from './check-parameters.js'
import { checkCounts } from './config-counts.js'
import { parseEncoderConfig } from './encoder-config.js'
import {
  biased,
  encoderBlock,
  encoderChannels,
  encoderNames,
  encoderParameters,
  encoderSites,
  type EncoderConfig,
} from './encoder-block.js'
import { extent, flag } from './config-fields.js'
import { ACTIVATIONS, biasOf, embed, layerNorm, linear, linearSite } from './layers.js'
import type { LanguageModelExtras } from './language-model.js'
import type { RawConfig } from './raw-config.js'
import type { TextEncoder } from './text-encoder.js'

/** The config of a BERT. */
export interface BertConfig extends EncoderConfig {
  readonly vocabularySize: number
  readonly contextLength: number
  readonly tokenTypes: number
  /** Names of the classes; empty without a classifier. */
  readonly classes: readonly string[]
  readonly task: TextEncoder['task']
  /** Whether masked tokens are read off with the embedding. */
  readonly tied: boolean
  /** Whether an untied decoder has a bias of its own, beside that of its place. */
  readonly decoderBias: boolean
}

const WORDS: Site = Object.freeze({ ...linearSite('bert.embeddings.word_embeddings'), kind: 'embedding' })
const POSITIONS = 'bert.embeddings.position_embeddings.weight'
const TYPES = 'bert.embeddings.token_type_embeddings.weight'
const EMBEDDING_NORM = 'bert.embeddings.LayerNorm'
const POOLER = linearSite('bert.pooler.dense')
const CLASSIFIER: Site = Object.freeze({ ...linearSite('classifier'), head: true })
const TRANSFORM = linearSite('cls.predictions.transform.dense')
const TRANSFORM_NORM = 'cls.predictions.transform.LayerNorm'
const DECODER_WEIGHT = 'cls.predictions.decoder.weight'

/** The decoder has the weight of the embedding and the bias of its place, or its own. */
const decoderSite = ({ tied, decoderBias }: Pick<BertConfig, 'tied' | 'decoderBias'>): Site => {
  const site = linearSite(!tied && decoderBias ? 'cls.predictions.decoder' : 'cls.predictions')
  return Object.freeze({ ...site, weight: tied ? WORDS.weight : DECODER_WEIGHT, head: true })
}

const namesOf = (layer: number) =>
  encoderNames(`bert.encoder.layer.${layer}`, 'attention.self', ['attention.output.LayerNorm', 'output.LayerNorm'])

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
  const names = namesOf(layer)
  return {
    name: names.name,
    parameters: encoderParameters(names, config).map(({ name }) => name),
    sites: encoderSites(names),
    ...encoderChannels(names, config, false),
    run: (x, env) =>
      tf.tidy(() => {
        const padded = env.attended ? { band: paddedBand(env.attended, config.heads) } : {}
        return encoderBlock(x, env, names, config, { before: false, ...padded })
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

type Parameters = readonly { readonly name: string; readonly shape: readonly number[] }[]

/** What stands behind the blocks, by task. */
const HEAD_PARAMETERS: Readonly<Record<TextEncoder['task'], (config: BertConfig) => Parameters>> = {
  classification: ({ hidden, classes }) => [...biased(POOLER.name, [hidden, hidden]), ...biased(CLASSIFIER.name, [classes.length, hidden])],
  'masked-language': ({ hidden, vocabularySize, ...config }) => [
    ...biased(TRANSFORM.name, [hidden, hidden]),
    ...biased(TRANSFORM_NORM, [hidden]),
    { name: biasOf(decoderSite(config)), shape: [vocabularySize] },
    ...(config.tied ? [] : [{ name: DECODER_WEIGHT, shape: [vocabularySize, hidden] }]),
  ],
  'hidden-states': () => [],
}

const HEAD_STAGES: Readonly<Record<TextEncoder['task'], (config: BertConfig) => readonly Stage[]>> = {
  classification: config => [classifierStage(config)],
  'masked-language': config => [maskedStage(config)],
  'hidden-states': () => [],
}

const parametersOf = (config: BertConfig): Parameters => {
  const { hidden, vocabularySize, contextLength, tokenTypes, layers, task } = config
  return [
    { name: WORDS.weight, shape: [vocabularySize, hidden] },
    { name: POSITIONS, shape: [contextLength, hidden] },
    { name: TYPES, shape: [tokenTypes, hidden] },
    ...biased(EMBEDDING_NORM, [hidden]),
    ...Array.from({ length: layers }, (_, layer) => encoderParameters(namesOf(layer), config)).flat(),
    ...HEAD_PARAMETERS[task](config),
  ]
}

/** The heads that run, by the class that transformers names. */
const HEADS: Readonly<Record<string, TextEncoder['task']>> = {
  BertForSequenceClassification: 'classification',
  BertForMaskedLM: 'masked-language',
  BertModel: 'hidden-states',
}

/** A config without a class is that of a base model. */
const taskOf = (raw: RawConfig): TextEncoder['task'] => {
  const [architecture = 'BertModel'] = Array.isArray(raw.architectures) ? (raw.architectures as unknown[]) : []
  if (typeof architecture === 'string' && Object.hasOwn(HEADS, architecture)) return HEADS[architecture]
  const known = Object.keys(HEADS)
  const what = `The head ${JSON.stringify(architecture)} of a BERT is not one this package runs.`
  throw new CompressionError('UNSUPPORTED', what, `Known are ${known.join(', ')}.`, { architecture, known })
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
  const task = taskOf(rawConfig)
  const { classes, ...encoder } = parseEncoderConfig(rawConfig)
  const config: BertConfig = Object.freeze({
    ...encoder,
    task,
    classes: task === 'classification' ? classes : [],
    tied: flag(rawConfig, 'tie_word_embeddings', true),
    decoderBias: params.names().includes('cls.predictions.decoder.bias'),
    vocabularySize: extent(rawConfig, 'vocab_size'),
    contextLength: extent(rawConfig, 'max_position_embeddings', 512),
    tokenTypes: extent(rawConfig, 'type_vocab_size', 2),
  })
  const carried = params.names().filter(name => CARRIED.test(name))
  const unclaimed = checkParameters(parametersOf(config), params, carried)
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
  })
}
