import * as tf from '@tensorflow/tfjs-core'
import type { AttentionFacts, Env, Model, Stage } from '@tersor/core'
import { softCap } from '@tersor/kernels/soft-cap'
import { attention } from './attention.js'
import { causalBands, type CausalBands } from './bands.js'
import type { ParameterStore } from '@tersor/tensor'
import { checkParameters } from './check-parameters.js'
import { checkCounts } from './config-counts.js'
import { tokenIds } from './config-fields.js'
import type { LanguageModel, LanguageModelExtras } from './language-model.js'
import { biasedLlama } from './llama-biases.js'
import type { RawConfig } from './raw-config.js'
import { feedForward, feedForwardSites } from './feed-forward.js'
import { embed, linear, rmsNorm } from './layers.js'
import { completeLlamaConfig, parseLlamaConfig, sortsHeads, type LlamaConfig } from './llama-config.js'
import { blockPairs, blockScalings, blockRotations, residualOf } from './llama-channels.js'
import { llamaBlocks, llamaCouplings } from './llama-couplings.js'
import {
  blockNames,
  blockParameters,
  EMBEDDING,
  FINAL_NORM,
  eachBaseParameter,
  eachParameter,
  headSite,
  pairsName,
  partsOf,
} from './llama-parameters.js'
import { remadeLlama } from './remake-llama.js'
import { rotations, turnsOf } from './rope.js'
import type { TextEncoder } from './text-encoder.js'

/** What all blocks of one model share. */
interface Shared {
  readonly config: LlamaConfig
  readonly rotation: ReturnType<typeof rotations>
  readonly bands: CausalBands
}

/** Ids (batch, tokens) → (batch, tokens, hidden). */
const embedStage = ({ embeddingScale }: LlamaConfig): Stage => ({
  name: EMBEDDING.name,
  parameters: [EMBEDDING.weight],
  sites: [EMBEDDING],
  run: (ids, env) =>
    tf.tidy(() => {
      const x = embed(env.weights(EMBEDDING.weight), ids)
      return embeddingScale === 1 ? x : tf.mul(x, embeddingScale)
    }),
})

/** The norm of a stage; nothing where it has no name. */
const normalise = (x: tf.Tensor, name: string | undefined, env: Env, { epsilon, normOffset }: LlamaConfig): tf.Tensor => {
  if (name === undefined) return x
  const weight = env.weights(name)
  return rmsNorm(x, normOffset === 0 ? weight : tf.add(weight, normOffset), epsilon)
}

/** What a cache must know of a block. */
export const attentionFacts = (layer: number, config: LlamaConfig): AttentionFacts => ({
  heads: config.widths[layer].heads,
  keyHeads: config.widths[layer].keyValueHeads,
  size: config.widths[layer].headSize,
  scale: config.scoreScale,
  cap: config.scoreCap,
  window: config.windows[layer],
  ...(config.rotated[layer]
    ? { positions: 'rotated', frequencies: () => (sortsHeads(config) ? undefined : turnsOf(config.rope, config.headSize)) }
    : { positions: 'none' }),
})

/** y = x + attention(norm(x)), then y + feedForward(norm(y)); in Gemma what is added is normalised too; x: (batch, tokens, hidden). */
const blockStage = (layer: number, { config, rotation, bands }: Shared): Stage => {
  const names = blockNames(layer, config)
  const { name, attention: sites, feedForward: feedForwardNames } = names
  const { attends, feeds } = partsOf(layer, config)
  const [window, widths] = [config.windows[layer], config.widths[layer]]
  const pairs = blockPairs(layer, config)
  const order = sortsHeads(config) ? { pairs: pairsName(layer) } : {}
  return {
    name,
    parameters: blockParameters(layer, config).map(parameter => parameter.name),
    sites: [...(attends ? [...sites.inputs, sites.output] : []), ...(feeds ? feedForwardSites(feedForwardNames) : [])],
    ...(attends ? { attention: attentionFacts(layer, config) } : {}),
    scalings: blockScalings(layer, config),
    rotations: blockRotations(layer, config),
    ...(pairs ? { pairs } : {}),
    run: (x, env) => {
      const [batch, tokens] = x.shape
      const attend = (rows: tf.Tensor): tf.Tensor => {
        const y = normalise(rows, names.attentionNorm, env, config)
        const turned = config.rotated[layer] ? { rotation: rotation(env.cache?.next ?? env.past ?? 0, tokens, env.positions) } : {}
        const mixed = attention(y, env, { config, widths, sites, batch, tokens, bands, window, ...turned, ...order })
        return tf.add(rows, normalise(mixed, names.attentionAfter, env, config))
      }
      const feed = (rows: tf.Tensor): tf.Tensor => {
        const y = feedForward(normalise(rows, names.feedForwardNorm, env, config), feedForwardNames, env, config, widths.feedForward)
        return tf.add(rows, normalise(y, names.feedForwardAfter, env, config))
      }
      const rows = tf.reshape(x, [batch * tokens, config.hidden])
      const attended = attends ? tf.tidy(() => attend(rows)) : rows
      const fed = feeds ? tf.tidy(() => feed(attended)) : attended
      return tf.reshape(fed, [batch, tokens, config.hidden])
    },
  }
}

/** norm(x) · headᵀ; (batch, tokens, hidden) → (batch, tokens, vocabulary). */
const headStage = (config: LlamaConfig): Stage => {
  const head = headSite(config)
  return {
    name: head.name,
    parameters: [FINAL_NORM, head.weight],
    sites: [head],
    run: (x, env) =>
      tf.tidy(() => {
        const [batch, tokens] = x.shape
        const rows = normalise(tf.reshape(x, [batch * tokens, config.hidden]), FINAL_NORM, env, config)
        const logits = linear(rows, head, env)
        return tf.reshape(softCap(logits, config.logitCap), [batch, tokens, config.vocabularySize])
      }),
  }
}

/** norm(x), the last of a network without a head; x: (batch, tokens, hidden). */
const normStage = (config: LlamaConfig): Stage => ({
  name: FINAL_NORM.replace(/\.weight$/, ''),
  parameters: [FINAL_NORM],
  sites: [],
  run: (x, env) => tf.tidy(() => tf.reshape(normalise(tf.reshape(x, [-1, config.hidden]), FINAL_NORM, env, config), x.shape)),
})

const stagesOf = (config: LlamaConfig, last: (config: LlamaConfig) => Stage): readonly Stage[] => {
  const shared = { config, rotation: rotations(config.rope, config.headSize), bands: causalBands() }
  const blocks = Array.from({ length: config.layers }, (_, layer) => blockStage(layer, shared))
  return Object.freeze([embedStage(config), ...blocks, last(config)])
}

/** A config with what the names of the parameters say besides: whether routers have biases. */
const besides = (config: LlamaConfig, params: ParameterStore): LlamaConfig => {
  const biases = new Set(params.names().filter(name => name.endsWith('.bias')))
  if (biases.size === 0) return config // without names of millions of experts
  const isBiased = (_: unknown, layer: number): boolean => {
    const { feedForward: sites } = blockNames(layer, { ...config, routerBias: true })
    return 'router' in sites && sites.bias !== undefined && biases.has(sites.bias)
  }
  return Array.from({ length: config.layers }).some(isBiased) ? { ...config, routerBias: true } : config
}

/** What of a network can shrink, and how it is made again. */
const shrinking = (
  config: LlamaConfig,
  rawConfig: RawConfig,
  headless: boolean,
  build: (rawConfig: RawConfig, params: ParameterStore) => Model,
): Pick<Model, 'couplings' | 'blocks' | 'remake' | 'sorted'> => {
  const blocks = llamaBlocks(config)
  const { sorted } = config
  return {
    ...(sorted ? { sorted } : {}),
    couplings: llamaCouplings(config, headless),
    blocks,
    remake: remadeLlama({ config, rawConfig, blocks }, build),
  }
}

const hasOwnHead = (params: ParameterStore): boolean => params.names().includes('lm_head.weight')

/** The longest text: dynamic scaling carries a network on to `factor` times the positions that its config says, which are those it was trained on. */
const contextOf = ({ contextLength, rope: { scaling } }: Pick<LlamaConfig, 'contextLength' | 'rope'>): number =>
  scaling.type === 'dynamic' ? Math.floor(contextLength * scaling.factor) : contextLength

/** The stages of a network: embedding, blocks, head. */
export const llamaStages = (config: LlamaConfig): readonly Stage[] => stagesOf(config, headStage)

/**
 * A network of the Llama family (Llama, Mistral, Mixtral, Qwen2, Qwen3 and its experts, SmolLM, Phi-3, Gemma 2) over a store with Hugging Face's parameter names.
 * With `env.cache` a stage continues after the positions it holds, each block with a cache of its own.
 * Throws UNSUPPORTED and BAD_FILE as `parseLlamaConfig` does, NOT_FOUND and SHAPE where the store does not fit the config.
 */
export const llamaModel = (rawConfig: RawConfig, params: ParameterStore, extras: LanguageModelExtras = {}): LanguageModel<LlamaConfig> => {
  const { generationConfig = {}, notes = [], ...rest } = extras
  checkCounts(rawConfig, params)
  const parsed = besides(parseLlamaConfig(rawConfig), params)
  const eos = tokenIds(generationConfig, 'eos_token_id')
  const config = eos.length > 0 ? { ...parsed, eos } : parsed
  const unclaimed = checkParameters(eachParameter(config), params)
  const residual = residualOf(config)
  const build = (raw: RawConfig, next: ParameterStore): LanguageModel<LlamaConfig> =>
    llamaModel(hasOwnHead(next) ? { ...raw, tie_word_embeddings: false } : raw, next, extras)
  const withBiases = biasedLlama(rawConfig, params, build)
  return Object.freeze({
    ...rest,
    family: 'language' as const,
    architecture: config.architecture,
    config,
    rawConfig,
    completeConfig: completeLlamaConfig(rawConfig),
    notes: [...notes, ...unclaimed],
    contextLength: contextOf(config),
    vocabularySize: config.vocabularySize,
    params,
    stages: llamaStages(config),
    with: (next: ParameterStore) => build(rawConfig, next),
    ...shrinking(config, rawConfig, false, build),
    ...(withBiases ? { withBiases } : {}),
    ...(residual ? { residual } : {}),
  })
}

/**
 * A base model of the Llama family, saved without a head as embedding models are: it gives the normalised hidden states (batch, tokens, hidden).
 * Throws as `llamaModel` does.
 */
export const llamaEncoder = (rawConfig: RawConfig, params: ParameterStore, extras: LanguageModelExtras = {}): TextEncoder<LlamaConfig> => {
  const { generationConfig: _unused, notes = [], ...rest } = extras
  checkCounts(rawConfig, params)
  const config = besides(parseLlamaConfig(rawConfig), params)
  const unclaimed = checkParameters(eachBaseParameter(config), params)
  return Object.freeze({
    ...rest,
    ...{ family: 'encoder' as const, task: 'hidden-states' as const, architecture: config.architecture, config, rawConfig },
    ...{ notes: [...notes, ...unclaimed], contextLength: contextOf(config), vocabularySize: config.vocabularySize },
    params,
    stages: stagesOf(config, normStage),
    ...shrinking(config, rawConfig, true, (raw, next) => llamaEncoder(raw, next, extras)),
  })
}

/** Whether a checkpoint is a base model without a head: untied, and no head there. */
export const isHeadless = (rawConfig: RawConfig, params: ParameterStore): boolean => {
  const config = parseLlamaConfig(rawConfig)
  return (
    !config.tied &&
    !params.names().includes(headSite(config).weight) &&
    params.names().includes(EMBEDDING.weight) &&
    declaresNoHead(rawConfig)
  )
}

/** Whether the class that saved it is the base model, such as "LlamaModel". */
const declaresNoHead = ({ architectures }: RawConfig): boolean =>
  Array.isArray(architectures) && typeof architectures[0] === 'string' && /Model$/.test(architectures[0])
