import { CompressionError } from '@tersor/tensor'
import { badField, DEEPEST, extent, flag, positive, record, tokenIds } from './config-fields.js'
import { ACTIVATIONS } from './layers.js'
import { ARCHITECTURES, type Architecture, type Biases, type Experts } from './llama-architectures.js'
import type { RawConfig } from './raw-config.js'
import { parseRope, type Rope } from './rope.js'

/** The config of a network of the Llama family, whoever wrote it. */
export interface LlamaConfig {
  readonly architecture: string
  readonly vocabularySize: number
  readonly hidden: number
  /** Width between gate/up and down. */
  readonly feedForward: number
  readonly layers: number
  readonly heads: number
  /** Each serves heads / keyValueHeads query heads. */
  readonly keyValueHeads: number
  readonly headSize: number
  readonly contextLength: number
  /** Added to the mean square in RMS norms. */
  readonly epsilon: number
  readonly rope: Rope
  /** Whether the output head is the embedding. */
  readonly tied: boolean
  readonly biases: Biases
  /** Whether queries and keys are normalised head by head. */
  readonly queryKeyNorm: boolean
  /** Per layer, the keys a query sees, itself included; null for all. */
  readonly windows: readonly (number | null)[]
  /** Per layer, whether queries and keys are rotated by position. */
  readonly rotated: readonly boolean[]
  /** Between gate and up, by the name the config gives it. */
  readonly activation: string
  /** Whether query, key and value stand in one weight, and gate and up in another. */
  readonly fused: boolean
  /** Per layer, the experts its feed-forward is chosen from; null for a single one. */
  readonly experts: readonly (Experts | null)[]
  /** Added to the weights of all norms but those of queries and keys. */
  readonly normOffset: number
  /** Whether what attention and feed-forward give is normalised before it is added. */
  readonly normsAfter: boolean
  /** Factor of the embeddings. */
  readonly embeddingScale: number
  /** Factor of query · key. */
  readonly scoreScale: number
  /** Soft limits of scores and logits. */
  readonly scoreCap: number | null
  readonly logitCap: number | null
  readonly bos?: number
  readonly eos: readonly number[]
}

/** The values of `model_type` that `llamaModel` runs. */
export const LLAMA_ARCHITECTURES: readonly string[] = Object.freeze(Object.keys(ARCHITECTURES))

const unsupported = (what: string, known: readonly string[], fields: Readonly<Record<string, unknown>>): CompressionError =>
  new CompressionError('UNSUPPORTED', what, `Known are ${known.join(', ')}.`, { ...fields, known })

const architectureOf = (raw: RawConfig): readonly [string, Architecture] => {
  const name = raw.model_type
  if (typeof name !== 'string') throw badField('model_type', name, 'the name of an architecture')
  if (!Object.hasOwn(ARCHITECTURES, name)) {
    throw unsupported(`The architecture "${name}" is not one this package runs.`, LLAMA_ARCHITECTURES, { architecture: name })
  }
  return [name, ARCHITECTURES[name]]
}

const activationOf = (raw: RawConfig): string => {
  const name = raw.hidden_activation ?? raw.hidden_act ?? 'silu'
  if (typeof name === 'string' && Object.hasOwn(ACTIVATIONS, name)) return name
  throw unsupported(`The activation ${JSON.stringify(name)} is not one this package runs.`, Object.keys(ACTIVATIONS), { activation: name })
}

const limit = (raw: RawConfig, field: string): number | null => (typeof raw[field] === 'number' ? positive(raw, field) : null)

/** What Gemma does to norms, embeddings, scores and logits, and others do not. */
const scalesOf = (raw: RawConfig, gemma: boolean, hidden: number, headSize: number) => ({
  normOffset: gemma ? 1 : 0,
  normsAfter: gemma,
  embeddingScale: gemma ? Math.sqrt(hidden) : 1,
  scoreScale: 1 / Math.sqrt(gemma ? positive(raw, 'query_pre_attn_scalar', headSize) : headSize),
  scoreCap: gemma ? limit(raw, 'attn_logit_softcapping') : null,
  logitCap: gemma ? limit(raw, 'final_logit_softcapping') : null,
})

const headsOf = (raw: RawConfig, hidden: number, headSize?: number) => {
  const heads = extent(raw, 'num_attention_heads')
  const keyValueHeads = extent(raw, 'num_key_value_heads', heads)
  if (heads % keyValueHeads !== 0) throw badField('num_key_value_heads', keyValueHeads, `a divisor of the ${heads} attention heads`)
  const size = extent(raw, 'head_dim', headSize ?? hidden / heads)
  if (size % 2 !== 0) throw badField('head_dim', size, 'an even number, since halves are rotated')
  return { heads, keyValueHeads, headSize: size }
}

/** The config with what it leaves out as transformers fills it; heads for keys and values are those of queries where its number does not divide these. */
const withDefaults = (raw: RawConfig, { defaults }: Architecture): RawConfig => {
  const { num_key_value_heads: usual, ...others } = defaults
  const named = Object.fromEntries(Object.entries(raw).filter(([, value]) => value !== undefined))
  const fits = typeof usual === 'number' && typeof raw.num_attention_heads === 'number' && raw.num_attention_heads % usual === 0
  return { ...others, ...(fits ? { num_key_value_heads: usual } : {}), ...named }
}

/**
 * A config with every default filled in, in the names of Hugging Face: for writers of formats that leave nothing out.
 * Throws UNSUPPORTED and BAD_FILE as `parseLlamaConfig` does.
 */
export const completeLlamaConfig = (raw: RawConfig): RawConfig => {
  const { contextLength, epsilon, keyValueHeads, headSize, rope, tied, activation } = parseLlamaConfig(raw)
  return Object.freeze({
    ...withDefaults(raw, architectureOf(raw)[1]),
    ...{ num_key_value_heads: keyValueHeads, head_dim: headSize, rms_norm_eps: epsilon, rope_theta: rope.theta },
    ...{ max_position_embeddings: contextLength, tie_word_embeddings: tied, hidden_act: activation },
  })
}

/**
 * Reads a config.json of the Llama family, as transformers 4 or 5 writes it.
 * Throws UNSUPPORTED for an architecture or activation that is not known, BAD_FILE for missing or absurd fields.
 */
export const parseLlamaConfig = (given: RawConfig): LlamaConfig => {
  const [name, architecture] = architectureOf(given)
  const raw = withDefaults(given, architecture)
  const hidden = extent(raw, 'hidden_size')
  const layers = extent(raw, 'num_hidden_layers', undefined, DEEPEST)
  const rotation = { rope_theta: raw.rope_theta, ...(record(raw, 'rope_parameters') ?? record(raw, 'rope_scaling')) }
  const contextLength = extent(raw, 'max_position_embeddings', 2048)
  const heads = headsOf(raw, hidden, architecture.headSize)
  const [bos] = tokenIds(raw, 'bos_token_id')
  return Object.freeze({
    architecture: name,
    vocabularySize: extent(raw, 'vocab_size'),
    hidden,
    feedForward: extent(raw, 'intermediate_size'),
    layers,
    ...heads,
    contextLength,
    epsilon: positive(raw, 'rms_norm_eps', 1e-6),
    rope: parseRope(rotation, {
      ...{ theta: architecture.theta, contextLength },
      ...(typeof raw.original_max_position_embeddings === 'number' ? { originalContext: raw.original_max_position_embeddings } : {}),
    }),
    tied: flag(raw, 'tie_word_embeddings', false),
    biases: architecture.biases(raw),
    queryKeyNorm: architecture.queryKeyNorm,
    windows: architecture.windows(raw, layers),
    rotated: architecture.rotated(raw, layers),
    activation: activationOf(raw),
    fused: architecture.fused,
    experts: architecture.experts(raw, layers),
    ...scalesOf(raw, architecture.gemma, hidden, heads.headSize),
    ...(bos === undefined ? {} : { bos }),
    eos: tokenIds(raw, 'eos_token_id'),
  })
}
