import { CompressionError } from '@tersor/tensor'
import { badFile, oneLine } from '../files/bad-file.js'
import type { Json } from '../files/json-text.js'
import { BLOCK_FIELDS, BY_BLOCK, ofBlock } from './block-widths.js'
import { EXPERT_FIELDS, FIELDS } from './config.js'
import type { Metadata } from './header.js'
import { entriesToScaling, SCALING_KEYS } from './rope-scaling.js'
import { shortest } from './shortest.js'
import { ARCHITECTURES } from './tables/architectures.js'
import type { ValueType } from './tables/value-types.js'

/** Keys after the architecture that are read besides the fields of config.json. */
const OTHER_KEYS: readonly string[] = [
  'attention.value_length',
  'attention.sliding_window',
  'rope.dimension_count',
  'rope.scale_linear',
  ...SCALING_KEYS,
]

/** Keys that say nothing about what is computed, or nothing more than the tensors do. */
const DESCRIPTIVE_KEYS: readonly string[] = ['tensor_data_layout', 'features_length', 'pooling_type']

/** Keys that change what is computed unless they have this value. */
const NEUTRAL: Readonly<Record<string, unknown>> = {
  'attention.causal': true,
  'expert_group_count': 0,
  'expert_weights_norm': true,
  'expert_weights_scale': 1,
  'leading_dense_block_count': 0,
  'nextn_predict_layers': 0,
  'logit_scale': 1,
  'use_parallel_residual': false,
} // prettier-ignore

/** The keys of an architecture that are read, and those that are refused unless they change nothing. */
export const CONFIG_KEYS = Object.freeze({
  read: Object.freeze([...[...FIELDS, ...EXPERT_FIELDS].map(([key]) => key), ...OTHER_KEYS]),
  ignored: Object.freeze(DESCRIPTIVE_KEYS),
  neutral: Object.freeze(NEUTRAL),
})

const refuse = (what: string): CompressionError =>
  new CompressionError('UNSUPPORTED', oneLine(what), 'Tersor would run another network than llama.cpp does: run this file there.')

/** Throws UNSUPPORTED for a key that says something Tersor does not know. */
const checkKeys = (metadata: Metadata, name: string): void => {
  for (const [key, { value }] of metadata) {
    if (!key.startsWith(`${name}.`)) continue
    const rest = key.slice(name.length + 1)
    if (CONFIG_KEYS.read.includes(rest) || CONFIG_KEYS.ignored.includes(rest) || NEUTRAL[rest] === value) continue
    throw refuse(`This ${name} model has the setting ${JSON.stringify(rest)}, which is not one that is read.`)
  }
}

/** One number, or the one that stands in a list for every layer. */
const numberIn = (value: unknown, what: string): number => {
  if (!Array.isArray(value)) {
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw badFile(`The metadata's ${what} is ${String(value).slice(0, 40)}, which is no number.`)
  }
  const [first] = value as unknown[]
  if (value.some(entry => entry !== first)) throw refuse(`The metadata's ${what} differs from layer to layer.`)
  return numberIn(first, what)
}

type Field = readonly [key: string, type: ValueType, field: string]

/** A list with a number for each block, or one number where all are equal. */
const listIn = (value: readonly unknown[], key: string): number | readonly number[] => {
  const numbers = value.map(each => numberIn(each, key))
  return numbers.every(each => each === numbers[0]) ? numbers[0] : numbers
}

const readFields = (metadata: Metadata, name: string, fields: readonly Field[]): Json =>
  Object.fromEntries(
    fields.flatMap(([key, type, field]) => {
      const entry = metadata.get(`${name}.${key}`)
      if (entry === undefined) return []
      if (name === BY_BLOCK && BLOCK_FIELDS.includes(field) && Array.isArray(entry.value))
        return [[field, listIn(entry.value, key)] as const]
      const number = numberIn(entry.value, key)
      return [[field, type === 'f32' ? shortest(number) : number] as const]
    }),
  )

/** Throws unless a size that must be that of a head is. */
const checkHead = (metadata: Metadata, name: string, size: number): void => {
  for (const key of ['attention.value_length', 'rope.dimension_count']) {
    const entry = metadata.get(`${name}.${key}`)
    if (entry === undefined) continue
    const got = numberIn(entry.value, key)
    if (got !== size) throw refuse(`The metadata's ${key} is ${got}, but a head has ${size}.`)
  }
}

const tokenId = (metadata: Metadata, name: string): number | null => {
  const value = metadata.get(`tokenizer.ggml.${name}_token_id`)?.value
  return typeof value === 'number' ? value : null
}

/** The model_type and what belongs to it. */
const kindOf = (name: string, config: Json, metadata: Metadata): Json => {
  const { className, modelTypes, normalised, experts } = ARCHITECTURES[name]
  const windowKey = metadata.get(`${name}.attention.sliding_window`)
  const sliding = windowKey && numberIn(windowKey.value, 'attention.sliding_window')
  const window = sliding ? { sliding_window: sliding } : {}
  const { num_experts: count = 0, ...rest } = config
  if (experts === undefined || count === 0) {
    const isMistral = name === 'llama' && sliding
    return {
      ...rest,
      ...window,
      architectures: [isMistral ? 'MistralForCausalLM' : className],
      model_type: isMistral ? 'mistral' : modelTypes[0],
    }
  }
  if (name !== 'llama') return { ...config, architectures: [className], model_type: modelTypes[0], norm_topk_prob: normalised }
  return { ...rest, ...window, architectures: ['MixtralForCausalLM'], model_type: 'mixtral', num_local_experts: count }
}

/**
 * The config of a file of a known architecture; undefined otherwise. Names of tensors say what config.json says in flags.
 * Throws BAD_FILE, and UNSUPPORTED for settings that are not read.
 */
export const metadataToConfig = (metadata: Metadata, tensors: Iterable<string>): Json | undefined => {
  const name = metadata.get('general.architecture')?.value
  if (typeof name !== 'string' || !Object.hasOwn(ARCHITECTURES, name)) return undefined
  const names = new Set(tensors)
  checkKeys(metadata, name)
  const config = readFields(metadata, name, [...FIELDS, ...EXPERT_FIELDS])
  for (const field of ['hidden_size', 'num_attention_heads', 'num_hidden_layers'])
    if (!config[field])
      throw badFile(`The metadata of this ${name} model has no ${FIELDS.find(entry => entry[2] === field)![0]}.`, undefined, { field })
  const tokens = metadata.get('tokenizer.ggml.tokens')?.value
  const size = config.head_dim ?? (config.hidden_size as number) / (ofBlock(config.num_attention_heads) as number)
  checkHead(metadata, name, size as number)
  return {
    hidden_act: 'silu',
    ...(Array.isArray(tokens) ? { vocab_size: tokens.length } : {}),
    ...kindOf(name, config, metadata),
    head_dim: size,
    num_key_value_heads: config.num_key_value_heads ?? config.num_attention_heads,
    rope_theta: config.rope_theta ?? 10000,
    rope_scaling: entriesToScaling(metadata, name),
    attention_bias: names.has('blk.0.attn_q.bias'),
    mlp_bias: names.has('blk.0.ffn_up.bias'),
    tie_word_embeddings: !names.has('output.weight'),
    bos_token_id: tokenId(metadata, 'bos'),
    eos_token_id: tokenId(metadata, 'eos'),
  }
}
