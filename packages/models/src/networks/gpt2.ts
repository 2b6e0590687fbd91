import * as tf from '@tensorflow/tfjs-core'
import type { AttentionFacts, Entries, Member, Site, Stage } from '@tersor/core'
import type { ParameterStore } from '@tersor/tensor'
import { multiHeadAttention } from './attention.js'
import { bandsOver, causalBands, type CausalBands } from './bands.js'
import { checkParameters } from './check-parameters.js'
import { checkCounts } from './config-counts.js'
import { badField, DEEPEST, extent, flag, positive, tokenIds } from './config-fields.js'
import type { LanguageConfig, LanguageModel, LanguageModelExtras } from './language-model.js'
import { carried, encoderWidths, shrinkingEncoder, type CoupledBlock, type EncoderFields, type EncoderWidths } from './encoder-couplings.js'
import { biased, NORMAL, normed, residualStart, ZEROS, type NetworkParameter } from './fresh-weights.js'
import { linearScaling, normScaling, valueRotation } from './free-channels.js'
import { ACTIVATIONS, embed, layerNorm, linear, linearSite } from './layers.js'
import type { RawConfig } from './raw-config.js'

/** The config of a GPT-2. */
export interface Gpt2Config extends LanguageConfig {
  readonly vocabularySize: number
  readonly contextLength: number
  readonly hidden: number
  readonly layers: number
  /** Per layer, what it is made of. */
  readonly widths: readonly EncoderWidths[]
  /** Added to the variance in layer norms. */
  readonly epsilon: number
  readonly activation: string
  /** Whether the output head is the embedding. */
  readonly tied: boolean
}

/** Where a config says how wide the network is. */
const FIELDS: EncoderFields = Object.freeze({ hidden: 'n_embd', heads: 'n_head', feedForward: 'n_inner', layers: 'n_layer' })

/** Reads a config.json of GPT-2; throws BAD_FILE for missing or absurd fields. */
export const parseGpt2Config = (raw: RawConfig): Gpt2Config => {
  const hidden = extent(raw, 'n_embd')
  const layers = extent(raw, 'n_layer', undefined, DEEPEST)
  const activation = raw.activation_function ?? 'gelu_new'
  const known = Object.keys(ACTIVATIONS)
  if (typeof activation !== 'string' || !known.includes(activation)) throw badField('activation_function', activation, `one of ${known}`)
  const [bos] = tokenIds(raw, 'bos_token_id')
  return Object.freeze({
    vocabularySize: extent(raw, 'vocab_size'),
    contextLength: extent(raw, 'n_positions', 1024),
    hidden,
    layers,
    widths: encoderWidths(raw, FIELDS, layers, 4 * hidden),
    epsilon: positive(raw, 'layer_norm_epsilon', 1e-5),
    activation,
    tied: flag(raw, 'tie_word_embeddings', true),
    ...(bos === undefined ? {} : { bos }),
    eos: tokenIds(raw, 'eos_token_id'),
  })
}

/** GPT-2 stores its weights (in, out). */
const transposedSite = (name: string): Site => Object.freeze({ ...linearSite(name), outAxis: 1, inAxis: 0 })

const blockNames = (prefix: string, layer: number, { widths }: Gpt2Config) => {
  const name = `${prefix}h.${layer}`
  const { heads, feedForward } = widths[layer]
  return {
    name,
    norms: [`${name}.ln_1`, `${name}.ln_2`] as const,
    attention: { inputs: [transposedSite(`${name}.attn.c_attn`)], output: transposedSite(`${name}.attn.c_proj`) },
    up: transposedSite(`${name}.mlp.c_fc`),
    down: transposedSite(`${name}.mlp.c_proj`),
    ...{ attends: heads > 0, feeds: feedForward > 0, widths: widths[layer] },
  }
}

/** The block as couplings see it: queries, keys and values behind each other in one weight. */
const coupledBlock = (prefix: string, layer: number, config: Gpt2Config): CoupledBlock => {
  const { name, widths, attention, up, down, norms } = blockNames(prefix, layer, config)
  const width = widths.heads * widths.size
  const [query, key, value] = [0, width, 2 * width].map(start => ({ site: attention.inputs[0], start }))
  return { name, widths, query, key, value, output: attention.output, up, down, norms }
}

/** Channels of a block whose scale or direction is free: behind the norms, and from values to the output. */
const freeChannels = (prefix: string, layer: number, config: Gpt2Config) => {
  const { hidden, activation } = config
  const { norms, attention, up, down, attends, feeds, widths } = blockNames(prefix, layer, config)
  const width = widths.heads * widths.size
  const values = { site: attention.inputs[0], start: 2 * width, count: width, bias: true }
  const behind = (norm: string, site: Site) => normScaling([`${norm}.weight`, `${norm}.bias`], hidden, [site])
  const network = () => [
    behind(norms[1], up),
    ...(activation === 'relu' ? [linearScaling({ site: up, start: 0, count: widths.feedForward, bias: true }, down)] : []),
  ]
  return {
    scalings: [
      ...(attends ? [behind(norms[0], attention.inputs[0]), linearScaling(values, attention.output)] : []),
      ...(feeds ? network() : []),
    ],
    rotations: attends ? [valueRotation(widths.size, values, attention.output, width)] : [],
  }
}

const blockParameters = (prefix: string, layer: number, config: Gpt2Config): readonly NetworkParameter[] => {
  const { hidden, layers } = config
  const residual = (name: string, inputs: number): readonly NetworkParameter[] => [
    { name: `${name}.weight`, shape: [inputs, hidden], start: residualStart(layers) },
    { name: `${name}.bias`, shape: [hidden], start: ZEROS },
  ]
  const { norms, attention, up, down, attends, feeds, widths } = blockNames(prefix, layer, config)
  const { feedForward } = widths
  const width = widths.heads * widths.size
  return [
    ...(attends ? normed(norms[0], hidden) : []),
    ...(feeds ? normed(norms[1], hidden) : []),
    ...(attends ? [...biased(attention.inputs[0].name, [hidden, 3 * width], 3 * width), ...residual(attention.output.name, width)] : []),
    ...(feeds ? [...biased(up.name, [hidden, feedForward], feedForward), ...residual(down.name, feedForward)] : []),
  ]
}

/** Token + position embeddings; ids (batch, tokens) → (batch, tokens, hidden). */
const embedStage = (prefix: string): Stage => {
  const table: Site = { ...linearSite(`${prefix}wte`), kind: 'embedding' }
  const positions = `${prefix}wpe.weight`
  return {
    name: table.name,
    parameters: [table.weight, positions],
    sites: [table],
    run: (ids, env) =>
      tf.tidy(() => {
        const tokens = ids.shape[1]!
        const past = env.past ?? 0
        const at = env.positions ?? tf.range(past, past + tokens, 1, 'int32')
        return tf.add(embed(env.weights(table.weight), ids), embed(env.weights(positions), at))
      }),
  }
}

/** x + attention(norm(x)), then x + down(gelu(up(norm(x)))); x: (batch, tokens, hidden). */
const blockStage = (prefix: string, layer: number, config: Gpt2Config, bands: CausalBands): Stage => {
  const { name, norms, attention, up, down, attends, feeds, widths } = blockNames(prefix, layer, config)
  const { heads, size } = widths
  const facts: AttentionFacts = { heads, size, keyHeads: heads, scale: 1 / Math.sqrt(size), positions: 'learned' }
  return {
    name,
    parameters: blockParameters(prefix, layer, config).map(parameter => parameter.name),
    sites: [...(attends ? [...attention.inputs, attention.output] : []), ...(feeds ? [up, down] : [])],
    ...(attends ? { attention: facts } : {}),
    ...freeChannels(prefix, layer, config),
    run: (x, env) =>
      tf.tidy(() => {
        const [batch, tokens] = x.shape
        const seen = (entries: Entries) => bandsOver(bands, tokens, entries, null)
        const attend = (rows: tf.Tensor): tf.Tensor => {
          const y = layerNorm(rows, norms[0], env, config.epsilon)
          return tf.add(rows, multiHeadAttention(y, env, { sites: attention, batch, widths, bands: seen }))
        }
        const feed = (rows: tf.Tensor): tf.Tensor => {
          const inner = ACTIVATIONS[config.activation](linear(layerNorm(rows, norms[1], env, config.epsilon), up, env, true))
          return tf.add(rows, linear(inner, down, env, true))
        }
        const rows = tf.reshape(x, [batch * tokens, config.hidden])
        const attended = attends ? attend(rows) : rows
        return tf.reshape(feeds ? feed(attended) : attended, x.shape)
      }),
  }
}

/** norm(x) · headᵀ, where the head is the embedding unless it is untied; (batch, tokens, hidden) → (batch, tokens, vocabulary). */
const headStage = (prefix: string, { hidden, vocabularySize, epsilon, tied }: Gpt2Config): Stage => {
  const head: Site = { ...linearSite('lm_head'), ...(tied ? { weight: `${prefix}wte.weight` } : {}), head: true }
  const norm = `${prefix}ln_f`
  return {
    name: head.name,
    parameters: [`${norm}.weight`, `${norm}.bias`, head.weight],
    sites: [head],
    run: (x, env) =>
      tf.tidy(() => {
        const [batch, tokens] = x.shape
        const rows = layerNorm(tf.reshape(x, [batch * tokens, hidden]), norm, env, epsilon)
        return tf.reshape(linear(rows, head, env), [batch, tokens, vocabularySize])
      }),
  }
}

/** Every parameter with its shape, in the order of the forward pass; names begin with the prefix. */
export const gpt2Parameters = (config: Gpt2Config, prefix = 'transformer.'): readonly NetworkParameter[] => {
  const { hidden, vocabularySize, contextLength, layers, tied } = config
  return [
    { name: `${prefix}wte.weight`, shape: [vocabularySize, hidden], start: NORMAL },
    { name: `${prefix}wpe.weight`, shape: [contextLength, hidden], start: NORMAL },
    ...Array.from({ length: layers }, (_, layer) => blockParameters(prefix, layer, config)).flat(),
    ...normed(`${prefix}ln_f`, hidden),
    ...(tied ? [] : [{ name: 'lm_head.weight', shape: [vocabularySize, hidden], start: NORMAL }]),
  ]
}

/** What writes the stream before the blocks and reads it behind them. */
const streamOf = (prefix: string, { tied }: Gpt2Config): readonly Member[] => [
  ...['wte', 'wpe'].map(name => ({ parameter: `${prefix}${name}.weight`, axis: 1, role: 'writes' as const })),
  ...carried(`${prefix}ln_f`),
  ...(tied ? [] : [{ parameter: 'lm_head.weight', axis: 1, role: 'reads' as const }]),
]

/**
 * A GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners") over a store with Hugging Face's names,
 * with or without "transformer." before them. Throws BAD_FILE as `parseGpt2Config` does, NOT_FOUND and SHAPE where the store does not fit.
 */
export const gpt2Model = (rawConfig: RawConfig, params: ParameterStore, extras: LanguageModelExtras = {}): LanguageModel<Gpt2Config> => {
  const { generationConfig = {}, notes = [], ...rest } = extras
  checkCounts(rawConfig, params)
  const parsed = parseGpt2Config(rawConfig)
  const eos = tokenIds(generationConfig, 'eos_token_id')
  const config = eos.length > 0 ? { ...parsed, eos } : parsed
  const prefix = params.names().includes('wte.weight') ? '' : 'transformer.'
  const { vocabularySize, contextLength, layers } = config
  const bands = causalBands()
  const each = Array.from({ length: layers }, (_, layer) => layer)
  const unclaimed = checkParameters(gpt2Parameters(config, prefix), params)
  return Object.freeze({
    ...rest,
    family: 'language' as const,
    architecture: 'gpt2',
    config,
    rawConfig,
    notes: [...notes, ...unclaimed],
    contextLength,
    vocabularySize,
    params,
    stages: Object.freeze([embedStage(prefix), ...each.map(layer => blockStage(prefix, layer, config, bands)), headStage(prefix, config)]),
    ...shrinkingEncoder(
      {
        ...{ rawConfig, fields: FIELDS, hidden: config.hidden, normsStay: false, prefix: `${prefix}h.`, around: streamOf(prefix, config) },
        blocks: each.map(layer => coupledBlock(prefix, layer, config)),
      },
      (raw, next) => gpt2Model(raw, next, extras),
    ),
  })
}
