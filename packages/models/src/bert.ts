import * as tf from '@tensorflow/tfjs-core'
import type { Model, Site, Stage } from '@tersor/core'
import { CompressionError, type ParameterStore } from '@tersor/tensor'
import { paddedBand } from './bands.js'
import { checkParameters } from './check-parameters.js'
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
import { extent } from './config-fields.js'
import { ACTIVATIONS, biasOf, embed, layerNorm, linear, linearSite } from './layers.js'
import type { LanguageModelExtras } from './language-model.js'
import type { ModelFiles, RawConfig } from './raw-config.js'
import type { Tokenizer } from './tokenizer.js'

/** The config of a BERT. */
export interface BertConfig extends EncoderConfig {
  readonly vocabularySize: number
  readonly contextLength: number
  readonly tokenTypes: number
  /** Names of the classes; empty for a masked language model. */
  readonly classes: readonly string[]
}

/** A network from token ids (batch, tokens) to logits: (batch, classes), or (batch, tokens, vocabulary) for masked tokens. */
export interface TextEncoder extends Model {
  readonly family: 'encoder'
  readonly task: 'classification' | 'masked-language'
  readonly architecture: string
  readonly config: BertConfig
  readonly rawConfig: RawConfig
  readonly contextLength: number
  readonly vocabularySize: number
  readonly tokenizer?: Tokenizer
  readonly files?: ModelFiles
  close?(): Promise<void>
}

const WORDS: Site = Object.freeze({ ...linearSite('bert.embeddings.word_embeddings'), kind: 'embedding' })
const POSITIONS = 'bert.embeddings.position_embeddings.weight'
const TYPES = 'bert.embeddings.token_type_embeddings.weight'
const EMBEDDING_NORM = 'bert.embeddings.LayerNorm'
const POOLER = linearSite('bert.pooler.dense')
const CLASSIFIER: Site = Object.freeze({ ...linearSite('classifier'), head: true })
const TRANSFORM = linearSite('cls.predictions.transform.dense')
const TRANSFORM_NORM = 'cls.predictions.transform.LayerNorm'
const DECODER: Site = Object.freeze({ ...linearSite('cls.predictions'), weight: WORDS.weight, head: true })

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
const maskedStage = ({ hidden, vocabularySize, activation, epsilon }: BertConfig): Stage => ({
  name: DECODER.name,
  parameters: [TRANSFORM.weight, biasOf(TRANSFORM), `${TRANSFORM_NORM}.weight`, `${TRANSFORM_NORM}.bias`, WORDS.weight, biasOf(DECODER)],
  sites: [TRANSFORM, DECODER],
  run: (x, env) =>
    tf.tidy(() => {
      const [batch, tokens] = x.shape
      const inner = ACTIVATIONS[activation](linear(tf.reshape(x, [batch * tokens, hidden]), TRANSFORM, env, true))
      return tf.reshape(linear(layerNorm(inner, TRANSFORM_NORM, env, epsilon), DECODER, env, true), [batch, tokens, vocabularySize])
    }),
})

const parametersOf = (config: BertConfig) => {
  const { hidden, vocabularySize, contextLength, tokenTypes, layers, classes } = config
  const head =
    classes.length > 0
      ? [...biased(POOLER.name, [hidden, hidden]), ...biased(CLASSIFIER.name, [classes.length, hidden])]
      : [
          ...biased(TRANSFORM.name, [hidden, hidden]),
          ...biased(TRANSFORM_NORM, [hidden]),
          { name: biasOf(DECODER), shape: [vocabularySize] },
        ]
  return [
    { name: WORDS.weight, shape: [vocabularySize, hidden] },
    { name: POSITIONS, shape: [contextLength, hidden] },
    { name: TYPES, shape: [tokenTypes, hidden] },
    ...biased(EMBEDDING_NORM, [hidden]),
    ...Array.from({ length: layers }, (_, layer) => encoderParameters(namesOf(layer), config)).flat(),
    ...head,
  ]
}

const HEADS = ['BertForSequenceClassification', 'BertForMaskedLM'] as const

const taskOf = (raw: RawConfig): TextEncoder['task'] => {
  const [architecture] = Array.isArray(raw.architectures) ? (raw.architectures as unknown[]) : []
  if (architecture === HEADS[0]) return 'classification'
  if (architecture === HEADS[1]) return 'masked-language'
  const got = JSON.stringify(architecture)
  throw new CompressionError('UNSUPPORTED', `The head ${got} of a BERT is not one this package runs.`, `Known are ${HEADS.join(', ')}.`, {
    architecture,
    known: HEADS,
  })
}

/**
 * A BERT (Devlin et al. 2019, https://arxiv.org/abs/1810.04805) for classification or masked tokens, over Hugging Face's names.
 * All tokens are of the first type; `env.attended` marks padding. Throws UNSUPPORTED for another head, BAD_FILE for absurd fields,
 * NOT_FOUND and SHAPE where the store does not fit.
 */
export const bertModel = (
  rawConfig: RawConfig,
  params: ParameterStore,
  extras: Omit<LanguageModelExtras, 'generationConfig'> = {},
): TextEncoder => {
  const task = taskOf(rawConfig)
  const { classes, ...encoder } = parseEncoderConfig(rawConfig)
  const config: BertConfig = Object.freeze({
    ...encoder,
    classes: task === 'classification' ? classes : [],
    vocabularySize: extent(rawConfig, 'vocab_size'),
    contextLength: extent(rawConfig, 'max_position_embeddings', 512),
    tokenTypes: extent(rawConfig, 'type_vocab_size', 2),
  })
  checkParameters(parametersOf(config), params)
  const blocks = Array.from({ length: config.layers }, (_, layer) => blockStage(layer, config))
  const last = task === 'classification' ? classifierStage(config) : maskedStage(config)
  return Object.freeze({
    ...extras,
    family: 'encoder' as const,
    task,
    architecture: 'bert',
    config,
    rawConfig,
    contextLength: config.contextLength,
    vocabularySize: config.vocabularySize,
    params,
    stages: Object.freeze([embedStage(config), ...blocks, last]),
  })
}
