import type { Member, Site } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { extent, flag } from './config-fields.js'
import { encoderNames, encoderParameters, type EncoderBlock, type EncoderConfig } from './encoder-block.js'
import { parseEncoderConfig } from './encoder-config.js'
import { axisMembers } from './coupled-axes.js'
import { carried } from './encoder-couplings.js'
import { biased, NORMAL, normed, ZEROS, type NetworkParameter } from './fresh-weights.js'
import { biasOf, linearSite } from './layers.js'
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

export const WORDS: Site = Object.freeze({ ...linearSite('bert.embeddings.word_embeddings'), kind: 'embedding' })
export const POSITIONS = 'bert.embeddings.position_embeddings.weight'
export const TYPES = 'bert.embeddings.token_type_embeddings.weight'
export const EMBEDDING_NORM = 'bert.embeddings.LayerNorm'
export const POOLER = linearSite('bert.pooler.dense')
export const CLASSIFIER: Site = Object.freeze({ ...linearSite('classifier'), head: true })
export const TRANSFORM = linearSite('cls.predictions.transform.dense')
export const TRANSFORM_NORM = 'cls.predictions.transform.LayerNorm'
const DECODER_WEIGHT = 'cls.predictions.decoder.weight'

/** The decoder has the weight of the embedding and the bias of its place, or its own. */
export const decoderSite = ({ tied, decoderBias }: Pick<BertConfig, 'tied' | 'decoderBias'>): Site => {
  const site = linearSite(!tied && decoderBias ? 'cls.predictions.decoder' : 'cls.predictions')
  return Object.freeze({ ...site, weight: tied ? WORDS.weight : DECODER_WEIGHT, head: true })
}

/** Stands before the number of a block. */
export const BLOCKS = 'bert.encoder.layer.'

export const blockOf = (layer: number, { widths }: EncoderConfig): EncoderBlock => ({
  ...encoderNames(`${BLOCKS}${layer}`, 'attention.self', ['attention.output.LayerNorm', 'output.LayerNorm']),
  widths: widths[layer],
})

type Parameters = readonly NetworkParameter[]

/** What stands behind the blocks, by task. */
const HEAD_PARAMETERS: Readonly<Record<TextEncoder['task'], (config: BertConfig) => Parameters>> = {
  classification: ({ hidden, classes }) => [...biased(POOLER.name, [hidden, hidden]), ...biased(CLASSIFIER.name, [classes.length, hidden])],
  'masked-language': ({ hidden, vocabularySize, ...config }) => [
    ...biased(TRANSFORM.name, [hidden, hidden]),
    ...normed(TRANSFORM_NORM, hidden),
    { name: biasOf(decoderSite(config)), shape: [vocabularySize], start: ZEROS },
    ...(config.tied ? [] : [{ name: DECODER_WEIGHT, shape: [vocabularySize, hidden], start: NORMAL }]),
  ],
  'hidden-states': () => [],
}

/** Every parameter that the network runs with, in the order of the forward pass. */
export const bertParameters = (config: BertConfig): Parameters => {
  const { hidden, vocabularySize, contextLength, tokenTypes, layers, task } = config
  return [
    { name: WORDS.weight, shape: [vocabularySize, hidden], start: NORMAL },
    { name: POSITIONS, shape: [contextLength, hidden], start: NORMAL },
    { name: TYPES, shape: [tokenTypes, hidden], start: NORMAL },
    ...normed(EMBEDDING_NORM, hidden),
    ...Array.from({ length: layers }, (_, layer) => encoderParameters(blockOf(layer, config), config, false)).flat(),
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

/** Reads a config and what the names of the parameters say besides. Throws UNSUPPORTED for another head, BAD_FILE for absurd fields. */
export const parseBertConfig = (rawConfig: RawConfig, names: readonly string[]): BertConfig => {
  const task = taskOf(rawConfig)
  const { classes, ...encoder } = parseEncoderConfig(rawConfig)
  return Object.freeze({
    ...encoder,
    task,
    classes: task === 'classification' ? classes : [],
    tied: flag(rawConfig, 'tie_word_embeddings', true),
    decoderBias: names.includes('cls.predictions.decoder.bias'),
    vocabularySize: extent(rawConfig, 'vocab_size'),
    contextLength: extent(rawConfig, 'max_position_embeddings', 512),
    tokenTypes: extent(rawConfig, 'type_vocab_size', 2),
  })
}

/** What writes the stream outside of blocks and reads it there; the channels of pooler and transform are as many, and go with it. */
export const bertStream = ({ task, tied }: BertConfig, names: readonly string[]): readonly Member[] => {
  const has = new Set(names)
  const written = (parameter: string, axis: number): Member => ({ parameter, axis, role: 'writes' })
  const square = (site: Site): readonly Member[] => [
    ...axisMembers({ site, start: 0, bias: true }, 'writes'),
    { parameter: site.weight, axis: site.inAxis, role: 'reads' },
  ]
  const read = (parameter: string): Member => ({ parameter, axis: 1, role: 'reads' })
  const heads: Readonly<Record<TextEncoder['task'], readonly Member[]>> = {
    classification: [read(CLASSIFIER.weight)],
    'masked-language': [...square(TRANSFORM), ...carried(TRANSFORM_NORM), ...(tied ? [] : [read(DECODER_WEIGHT)])],
    'hidden-states': [],
  }
  return [
    ...[WORDS.weight, POSITIONS, TYPES].map(name => written(name, 1)),
    ...carried(EMBEDDING_NORM),
    ...(has.has(POOLER.weight) ? square(POOLER) : []),
    ...heads[task],
  ]
}
