import { CompressionError } from '@tersor/tensor'
import { badFile } from '../bad-file.js'
import type { Json } from '../json-text.js'
import type { GgufValue, Metadata } from './header.js'
import { ARCHITECTURES, type Architecture } from './tables/architectures.js'
import type { ValueType } from './tables/value-types.js'

/** Fields that both sides have under different names: key after the architecture, type, field of config.json. */
const FIELDS: readonly (readonly [key: string, type: ValueType, field: string])[] = [
  ['vocab_size', 'u32', 'vocab_size'],
  ['context_length', 'u32', 'max_position_embeddings'],
  ['embedding_length', 'u32', 'hidden_size'],
  ['block_count', 'u32', 'num_hidden_layers'],
  ['feed_forward_length', 'u32', 'intermediate_size'],
  ['attention.head_count', 'u32', 'num_attention_heads'],
  ['attention.head_count_kv', 'u32', 'num_key_value_heads'],
  ['attention.layer_norm_rms_epsilon', 'f32', 'rms_norm_eps'],
  ['attention.key_length', 'u32', 'head_dim'],
  ['attention.value_length', 'u32', 'head_dim'],
  ['rope.dimension_count', 'u32', 'head_dim'],
  ['rope.freq_base', 'f32', 'rope_theta'],
  ['attention.sliding_window', 'u32', 'sliding_window'],
]

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

/** Rope settings as transformers 5 (`rope_parameters`) or 4 (`rope_scaling`, `rope_theta`) writes them. */
export const ropeOf = (config: Json): { readonly theta: number; readonly scaling: Json | undefined; readonly type: string } => {
  const scaling = [config.rope_parameters, config.rope_scaling].find(isObject)
  const theta = scaling?.rope_theta ?? config.rope_theta
  const type = scaling?.rope_type ?? scaling?.type ?? 'default'
  return { theta: typeof theta === 'number' ? theta : 10000, scaling, type: String(type) }
}

const numberOf = (config: Json, field: string): number => {
  const value = config[field]
  if (typeof value === 'number') return value
  throw new CompressionError('BAD_OPTION', `The config has no ${field}.`, 'Pass the config.json of the model.', { field })
}

/** Sizes of the attention, with the defaults that config.json leaves out. */
export const attentionOf = (config: Json): { readonly heads: number; readonly keyHeads: number; readonly size: number } => {
  const heads = numberOf(config, 'num_attention_heads')
  const keyHeads = typeof config.num_key_value_heads === 'number' ? config.num_key_value_heads : heads
  return { heads, keyHeads, size: typeof config.head_dim === 'number' ? config.head_dim : numberOf(config, 'hidden_size') / heads }
}

/** The architecture of a config; throws UNSUPPORTED for one that is not known. */
export const architectureOf = (config: Json): readonly [name: string, architecture: Architecture] => {
  const found = Object.entries(ARCHITECTURES).find(([, { modelTypes }]) => modelTypes.includes(config.model_type as string))
  if (found) return found
  const known = Object.values(ARCHITECTURES).flatMap(({ modelTypes }) => modelTypes)
  throw new CompressionError(
    'UNSUPPORTED',
    `No GGUF is written for model_type ${JSON.stringify(config.model_type)}.`,
    `Known are ${known.join(', ')}: save others as a Hugging Face folder.`,
    { modelType: config.model_type },
  )
}

const SCALINGS: Readonly<Record<string, (scaling: Json) => readonly (readonly [string, GgufValue])[]>> = {
  default: () => [],
  llama3: () => [], // a tensor of factors
  linear: ({ factor }) => [
    ['rope.scaling.type', { type: 'string', value: 'linear' }],
    ['rope.scaling.factor', { type: 'f32', value: factor as number }],
  ],
}

/** The keys of a config, as llama.cpp reads them. Throws UNSUPPORTED (architecture, rope scaling) and BAD_OPTION (a missing field). */
export const configToMetadata = (config: Json): Metadata => {
  const [name] = architectureOf(config)
  const { theta, scaling, type } = ropeOf(config)
  const { keyHeads, size } = attentionOf(config)
  if (!Object.hasOwn(SCALINGS, type))
    throw new CompressionError(
      'UNSUPPORTED',
      `No GGUF is written for rope scaling "${type}".`,
      `Known are ${Object.keys(SCALINGS).join(', ')}.`,
      { type },
    )
  const full: Json = { sliding_window: undefined, ...config, num_key_value_heads: keyHeads, head_dim: size, rope_theta: theta }
  if (config.use_sliding_window === false) Object.assign(full, { sliding_window: undefined })
  const metadata = new Map<string, GgufValue>([['general.architecture', { type: 'string', value: name }]])
  for (const [key, valueType, field] of FIELDS) {
    if (field === 'sliding_window' && typeof full[field] !== 'number') continue
    metadata.set(`${name}.${key}`, { type: valueType, value: numberOf(full, field) })
  }
  for (const [key, value] of SCALINGS[type](scaling ?? {})) metadata.set(`${name}.${key}`, value)
  return metadata
}

/** float32 → the shortest decimal that gives it back: 1e-5, not 0.000009999999747378752. */
const shortest = (value: number): number => {
  for (let digits = 1; digits < 10; digits++) {
    const short = Number(value.toPrecision(digits))
    if (Math.fround(short) === value) return short
  }
  return value
}

/** The config of a file of a known architecture; undefined otherwise. Names of tensors say what config.json says in flags. Throws BAD_FILE. */
export const metadataToConfig = (metadata: Metadata, tensors: Iterable<string>): Json | undefined => {
  const name = metadata.get('general.architecture')?.value
  if (typeof name !== 'string' || !Object.hasOwn(ARCHITECTURES, name)) return undefined
  const names = new Set(tensors)
  const value = (key: string): unknown => metadata.get(`${name}.${key}`)?.value
  const fields = FIELDS.flatMap(([key, type, field]) => {
    const entry = value(key)
    return typeof entry === 'number' ? [[field, type === 'f32' ? shortest(entry) : entry] as const] : []
  })
  const config: Record<string, unknown> = Object.fromEntries(fields)
  for (const field of ['hidden_size', 'num_attention_heads', 'num_hidden_layers'])
    if (!config[field])
      throw badFile(`The metadata of this ${name} model has no ${FIELDS.find(entry => entry[2] === field)![0]}.`, undefined, { field })
  const tokens = metadata.get('tokenizer.ggml.tokens')?.value
  const { className, modelTypes } = ARCHITECTURES[name]
  const isMistral = name === 'llama' && 'sliding_window' in config
  return {
    architectures: [isMistral ? 'MistralForCausalLM' : className],
    model_type: isMistral ? 'mistral' : modelTypes[0],
    hidden_act: 'silu',
    ...(Array.isArray(tokens) ? { vocab_size: tokens.length } : {}),
    ...config,
    head_dim: config.head_dim ?? (config.hidden_size as number) / (config.num_attention_heads as number),
    num_key_value_heads: config.num_key_value_heads ?? config.num_attention_heads,
    rope_theta: config.rope_theta ?? 10000,
    rope_scaling: value('rope.scaling.type') === 'linear' ? { rope_type: 'linear', factor: value('rope.scaling.factor') } : null,
    attention_bias: names.has('blk.0.attn_q.bias'),
    mlp_bias: names.has('blk.0.ffn_up.bias'),
    tie_word_embeddings: !names.has('output.weight'),
    bos_token_id: metadata.get('tokenizer.ggml.bos_token_id')?.value ?? null,
    eos_token_id: metadata.get('tokenizer.ggml.eos_token_id')?.value ?? null,
  }
}
