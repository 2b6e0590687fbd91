import { CompressionError } from '@tersor/tensor'
import { oneLine } from '../files/bad-file.js'
import type { Json } from '../files/json-text.js'
import { BY_BLOCK, blockLists, differsByBlock, ofBlock } from './block-widths.js'
import type { GgufValue, Metadata } from './header.js'
import { ropeOf, scalingToEntries } from './rope-scaling.js'
import { ARCHITECTURES, COMMON_DEFAULTS, CONFIG_DEFAULTS, type Architecture } from './tables/architectures.js'
import type { ValueType } from './tables/value-types.js'

/** Fields that both sides have under different names: key after the architecture, type, field of config.json. */
export const FIELDS: readonly (readonly [key: string, type: ValueType, field: string])[] = [
  ['vocab_size', 'u32', 'vocab_size'],
  ['context_length', 'u32', 'max_position_embeddings'],
  ['embedding_length', 'u32', 'hidden_size'],
  ['block_count', 'u32', 'num_hidden_layers'],
  ['feed_forward_length', 'u32', 'intermediate_size'],
  ['attention.head_count', 'u32', 'num_attention_heads'],
  ['attention.head_count_kv', 'u32', 'num_key_value_heads'],
  ['attention.layer_norm_rms_epsilon', 'f32', 'rms_norm_eps'],
  ['attention.key_length', 'u32', 'head_dim'],
  ['rope.freq_base', 'f32', 'rope_theta'],
]

/** Fields of architectures whose layers choose from experts; the number of experts has two names. */
export const EXPERT_FIELDS: readonly (readonly [key: string, type: ValueType, field: string])[] = [
  ['expert_count', 'u32', 'num_experts'],
  ['expert_used_count', 'u32', 'num_experts_per_tok'],
  ['expert_feed_forward_length', 'u32', 'moe_intermediate_size'],
  ['expert_shared_feed_forward_length', 'u32', 'shared_expert_intermediate_size'],
]

const numberOf = (config: Json, field: string): number => {
  const value = config[field]
  if (typeof value === 'number') return value
  throw new CompressionError('BAD_OPTION', `The config has no ${field}.`, 'Pass the config.json of the model.', { field })
}

/** The config with what its architecture means by the fields that it leaves out. */
export const withDefaults = (config: Json): Json => {
  const given = Object.entries(config).filter(([field, value]) => value !== undefined && (value !== null || field === 'sliding_window'))
  return { ...COMMON_DEFAULTS, ...CONFIG_DEFAULTS[String(config.model_type)], ...Object.fromEntries(given) }
}

/** Sizes of the attention, with the defaults that config.json leaves out; of a block, or of the first one that has any. */
export const attentionOf = (given: Json, layer?: number): { readonly heads: number; readonly keyHeads: number; readonly size: number } => {
  if (Array.isArray(given.head_dim))
    throw new CompressionError(
      'UNSUPPORTED',
      'Heads of this network have rotary pairs in an order of their own, and GGUF has no place for that.',
      "Sort it with units=[neurons] only, or save it as a Hugging Face folder of Tersor's own.",
      { format: 'GGUF', field: 'head_dim' },
    )
  const config = withDefaults(given)
  const all = { ...config, num_attention_heads: ofBlock(config.num_attention_heads, layer) }
  const heads = numberOf(all, 'num_attention_heads')
  const keys = ofBlock(config.num_key_value_heads, layer)
  const keyHeads = typeof keys === 'number' ? keys : heads
  return { heads, keyHeads, size: typeof config.head_dim === 'number' ? config.head_dim : numberOf(config, 'hidden_size') / heads }
}

/** The architecture of a config; throws UNSUPPORTED for one that is not known. */
export const architectureOf = (config: Json): readonly [name: string, architecture: Architecture] => {
  const found = differsByBlock(config)
    ? ([BY_BLOCK, ARCHITECTURES[BY_BLOCK]] as const)
    : Object.entries(ARCHITECTURES).find(([, { modelTypes }]) => modelTypes.includes(config.model_type as string))
  if (found) return found
  const known = [...new Set(Object.values(ARCHITECTURES).flatMap(({ modelTypes }) => modelTypes))]
  throw new CompressionError(
    'UNSUPPORTED',
    oneLine(`No GGUF is written for model_type ${JSON.stringify(config.model_type)}.`),
    `Known are ${known.join(', ')}: save others as a Hugging Face folder.`,
    { modelType: config.model_type },
  )
}

/** How many experts a layer has; 0 where it has none. */
export const expertCount = (config: Json): number => {
  const count = config.num_local_experts ?? config.num_experts
  return typeof count === 'number' && architectureOf(config)[1].experts ? count : 0
}

/** The window of a config that hides earlier tokens from a layer; null where none does. */
export const windowOf = (given: Json): number | null => {
  const config = withDefaults(given)
  const slides = String(config.model_type).startsWith('qwen') ? config.use_sliding_window === true : config.use_sliding_window !== false
  return slides && typeof config.sliding_window === 'number' ? config.sliding_window : null
}

const otherNetwork = (what: string): CompressionError =>
  new CompressionError('UNSUPPORTED', `No GGUF is written for ${what}.`, 'llama.cpp runs another network then: save it as a Hugging Face folder.') // prettier-ignore

/** Throws where llama.cpp chooses experts in another way than the config says. */
const checkExperts = (config: Json, { normalised }: Architecture): void => {
  const scaled = config.model_type === 'mixtral' || config.norm_topk_prob === true
  if (scaled !== normalised) throw otherNetwork(`${String(config.model_type)} with norm_topk_prob ${String(scaled)}`)
  const plain = Array.isArray(config.mlp_only_layers) ? config.mlp_only_layers.length : 0
  if (plain > 0 || (config.decoder_sparse_step ?? 1) !== 1) throw otherNetwork('layers without experts between layers that have some')
}

const expertEntries = (config: Json): readonly (readonly [string, GgufValue])[] => {
  const count = expertCount(config)
  if (count === 0) return []
  checkExperts(config, architectureOf(config)[1])
  return EXPERT_FIELDS.flatMap(([key, type, field]) => {
    const value = field === 'num_experts' ? count : config[field]
    return typeof value === 'number' ? [[key, { type, value }] as const] : []
  })
}

/** A number for all blocks, or a list of one for each. */
const entryOf = (config: Json, type: ValueType, field: string, lists: Readonly<Record<string, readonly number[]>>): GgufValue =>
  field in lists ? { type: 'list', of: type, value: lists[field] } : { type, value: numberOf(config, field) }

/** The keys of a config, as llama.cpp reads them. Throws UNSUPPORTED (architecture, rope scaling, experts) and BAD_OPTION (a missing field). */
export const configToMetadata = (given: Json): Metadata => {
  const [name, { experts }] = architectureOf(given)
  const config = withDefaults(given)
  const { keyHeads, size } = attentionOf(config)
  const full: Json = {
    ...config,
    num_key_value_heads: differsByBlock(config) ? (config.num_key_value_heads ?? config.num_attention_heads) : keyHeads,
    head_dim: size,
    rope_theta: ropeOf(config).theta,
    // Networks with experts in all layers need not say how wide a layer without would be.
    ...(experts && config.intermediate_size === undefined ? { intermediate_size: config.moe_intermediate_size } : {}),
  }
  const lists = differsByBlock(full) ? blockLists(full) : {}
  const window = name === 'llama' ? windowOf(config) : null
  return new Map<string, GgufValue>([
    ['general.architecture', { type: 'string', value: name }],
    ...FIELDS.map(([key, type, field]) => [`${name}.${key}`, entryOf(full, type, field, lists)] as const),
    [`${name}.attention.value_length`, { type: 'u32', value: size }],
    [`${name}.rope.dimension_count`, { type: 'u32', value: size }],
    ...(window === null ? [] : [[`${name}.attention.sliding_window`, { type: 'u32', value: window } as GgufValue] as const]),
    ...expertEntries(config).map(([key, value]) => [`${name}.${key}`, value] as const),
    ...scalingToEntries(config, numberOf(full, 'max_position_embeddings')).map(([key, value]) => [`${name}.${key}`, value] as const),
  ])
}
