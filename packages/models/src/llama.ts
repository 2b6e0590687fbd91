import * as tf from '@tensorflow/tfjs-core'
import type { Provenance, Stage } from '@tersor/core'
import { attention, causalMasks, type CausalMasks } from './attention.js'
import type { ParameterStore } from '@tersor/tensor'
import { checkParameters } from './check-parameters.js'
import { tokenIds } from './config-fields.js'
import type { LanguageModel } from './language-model.js'
import type { ModelFiles, RawConfig } from './raw-config.js'
import { embed, linear, rmsNorm, silu } from './layers.js'
import { parseLlamaConfig, type LlamaConfig } from './llama-config.js'
import { blockNames, blockParameters, EMBEDDING, FINAL_NORM, headSite, llamaParameters } from './llama-parameters.js'
import { rotations } from './rope.js'
import type { Tokenizer } from './tokenizer.js'

/** What travels with a language model besides its weights. */
export interface LanguageModelExtras {
  readonly tokenizer?: Tokenizer
  readonly files?: ModelFiles
  readonly provenance?: readonly Provenance[]
  /** A generation_config.json: the tokens that end a text stand there in newer models. */
  readonly generationConfig?: RawConfig
  readonly close?: () => Promise<void>
}

/** What all blocks of one model share. */
interface Shared {
  readonly config: LlamaConfig
  readonly rotation: ReturnType<typeof rotations>
  readonly masks: CausalMasks
}

/** Ids (batch, tokens) → (batch, tokens, hidden). */
const embedStage = (): Stage => ({
  name: EMBEDDING.name,
  parameters: [EMBEDDING.weight],
  sites: [EMBEDDING],
  run: (ids, env) => tf.tidy(() => embed(env.weights(EMBEDDING.weight), ids)),
})

/** x + attention(norm(x)), then x + down(silu(gate(y)) · up(y)) with y = norm(x); x: (batch, tokens, hidden). */
const blockStage = (layer: number, { config, rotation, masks }: Shared): Stage => {
  const { name, attentionNorm, feedForwardNorm, attention: sites, gate, up, down } = blockNames(layer, config)
  const bias = config.biases.feedForward
  const window = config.windows[layer]
  return {
    name,
    parameters: blockParameters(layer, config).map(parameter => parameter.name),
    sites: [sites.query, sites.key, sites.value, sites.output, gate, up, down],
    run: (x, env) => {
      const [batch, tokens] = x.shape
      const rows = tf.reshape(x, [batch * tokens, config.hidden])
      const attended = tf.tidy(() => {
        const y = rmsNorm(rows, env.weights(attentionNorm), config.epsilon)
        const turned = config.rotated[layer] ? { rotation: rotation(env.cache?.length ?? 0, tokens, env.positions) } : {}
        return tf.add(rows, attention(y, env, { config, sites, batch, tokens, masks, window, ...turned }))
      })
      const fed = tf.tidy(() => {
        const y = rmsNorm(attended, env.weights(feedForwardNorm), config.epsilon)
        const gated = tf.mul(silu(linear(y, gate, env, bias)), linear(y, up, env, bias))
        return tf.add(attended, linear(gated, down, env, bias))
      })
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
        const rows = rmsNorm(tf.reshape(x, [batch * tokens, config.hidden]), env.weights(FINAL_NORM), config.epsilon)
        return tf.reshape(linear(rows, head, env), [batch, tokens, config.vocabularySize])
      }),
  }
}

/** The stages of a network: embedding, blocks, head. */
export const llamaStages = (config: LlamaConfig): readonly Stage[] => {
  const shared = { config, rotation: rotations(config.rope, config.headSize), masks: causalMasks() }
  const blocks = Array.from({ length: config.layers }, (_, layer) => blockStage(layer, shared))
  return Object.freeze([embedStage(), ...blocks, headStage(config)])
}

/**
 * A network of the Llama family (Llama, Mistral, Qwen2, Qwen3, SmolLM) over a store with Hugging Face's parameter names.
 * With `env.cache` a stage continues after the positions it holds, each block with a cache of its own.
 * Throws UNSUPPORTED and BAD_FILE as `parseLlamaConfig` does, NOT_FOUND and SHAPE where the store does not fit the config.
 */
export const llamaModel = (rawConfig: RawConfig, params: ParameterStore, extras: LanguageModelExtras = {}): LanguageModel => {
  const { generationConfig = {}, ...rest } = extras
  const parsed = parseLlamaConfig(rawConfig)
  const eos = tokenIds(generationConfig, 'eos_token_id')
  const config = eos.length > 0 ? { ...parsed, eos } : parsed
  checkParameters(llamaParameters(config), params)
  return Object.freeze({
    ...rest,
    family: 'language' as const,
    architecture: config.architecture,
    config,
    rawConfig,
    contextLength: config.contextLength,
    vocabularySize: config.vocabularySize,
    params,
    stages: llamaStages(config),
  })
}
