import { createRng } from '@tersor/core'
import { CompressionError, storeOver, type Parameter, type ParameterStore } from '@tersor/tensor'
import { bertModel } from './bert.js'
import { bertParameters, parseBertConfig } from './bert-parameters.js'
import { positive } from './config-fields.js'
import { freshStore, type InitOptions, type NetworkParameter } from './fresh-weights.js'
import { gpt2Model, gpt2Parameters, parseGpt2Config } from './gpt2.js'
import type { ImageClassifier } from './image-classifier.js'
import type { LanguageModel, LanguageModelExtras } from './language-model.js'
import { parseLlamaConfig } from './llama-config.js'
import { llamaParameters } from './llama-parameters.js'
import { llamaModel } from './llama.js'
import type { RawConfig } from './raw-config.js'
import { parseResNetConfig } from './resnet-config.js'
import { resNetParameters } from './resnet-parameters.js'
import { resNetModel } from './resnet.js'
import type { TextEncoder } from './text-encoder.js'
import { parseVitConfig, vitModel, vitParameters } from './vit.js'

export interface FreshModelOptions extends InitOptions, Pick<LanguageModelExtras, 'tokenizer' | 'files'> {
  readonly seed?: number
  /** Parameters of another network: those whose names this one has are taken, and the rest begin anew. */
  readonly from?: ParameterStore
}

type Extras = Pick<LanguageModelExtras, 'tokenizer' | 'files'>

interface Network {
  readonly parameters: (config: RawConfig) => readonly NetworkParameter[]
  readonly build: (config: RawConfig, params: ParameterStore, extras: Extras) => LanguageModel | TextEncoder | ImageClassifier
}

/** By `model_type`; a config without one describes a ResNet, and the rest are of the Llama family. */
const NETWORKS: Readonly<Record<string, Network>> = {
  gpt2: { parameters: config => gpt2Parameters(parseGpt2Config(config)), build: gpt2Model },
  bert: { parameters: config => bertParameters(parseBertConfig(config, [])), build: bertModel },
  vit: { parameters: config => vitParameters(parseVitConfig(config)), build: (config, params) => vitModel(config, params) },
}
const RESNET: Network = {
  parameters: config => resNetParameters(parseResNetConfig(config), false),
  build: (config, params) => resNetModel(config, params),
}
const LLAMA: Network = { parameters: config => llamaParameters(parseLlamaConfig(config)), build: llamaModel }

const networkOf = ({ model_type: type }: RawConfig): Network => {
  if (type === undefined) return RESNET
  return typeof type === 'string' && Object.hasOwn(NETWORKS, type) ? NETWORKS[type] : LLAMA
}

/** Parameters of `from` in the place of fresh ones with their names. */
const inheriting = (fresh: ParameterStore, from: ParameterStore): ParameterStore => {
  const theirs = new Set(from.names())
  const sources = new Map(fresh.names().map(name => [name, theirs.has(name) ? from : fresh]))
  if (![...sources.values()].includes(from))
    throw new CompressionError(
      'NOT_FOUND',
      `None of the ${theirs.size} parameters in "from" has a name of this network.`,
      'Pass the parameters of a network of the same architecture, or leave "from" out.',
    )
  const entries = new Map([...sources].map(([name, store]) => [name, { name, store }]))
  return storeOver(entries, {
    info: ({ name, store }) => store.info(name),
    read: ({ store }, name, signal): Promise<Parameter> => store.read(name, signal ? { signal } : {}),
    outline: ({ name, store }) => store.outline?.(name),
  })
}

/**
 * The network that a config.json or a ResNet's description names, with weights to begin training with: normal with the config's
 * `initializer_range` (0.02 where absent), norms 1, biases 0, as transformers starts BERT, ViT and GPT-2; what GPT-2 and the Llama family add
 * to the residual stream is divided by √(2 · layers); convolutions and the head of a ResNet start as torchvision's.
 * Throws BAD_OPTION, what the networks throw for their configs, NOT_FOUND where `from` shares no name with the network, SHAPE where one of its parameters does not fit.
 */
export const freshModel = (
  config: RawConfig,
  { seed = 0, from, deviation, dtype, ...extras }: FreshModelOptions = {},
): LanguageModel | TextEncoder | ImageClassifier => {
  if (deviation !== undefined && !(deviation > 0 && deviation < Infinity))
    throw new CompressionError('BAD_OPTION', `freshModel got deviation = ${deviation}.`, 'Pass a positive number, such as 0.02.')
  const { parameters, build } = networkOf(config)
  const init = { deviation: deviation ?? positive(config, 'initializer_range', 0.02), ...(dtype && { dtype }) }
  const fresh = freshStore(parameters(config), createRng(seed), init)
  return build(config, from ? inheriting(fresh, from) : fresh, extras)
}
