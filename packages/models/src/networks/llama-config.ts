import type { Sorted } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { badField, DEEPEST, extent, flag, perBlock, positive, record, tokenIds, uniform } from './config-fields.js'
import { ACTIVATIONS } from './layers.js'
import { ARCHITECTURES, type Architecture, type Biases, type Experts } from './llama-architectures.js'
import type { RawConfig } from './raw-config.js'
import { parseRope, type Rope } from './rope.js'
import { sortedUnits } from './sorted-units.js'

/** What a block is made of; it has no attention where there are no heads, and no feed-forward network where that has no width. */
export interface BlockWidths {
  readonly heads: number
  /** Each serves heads / keyValueHeads query heads. */
  readonly keyValueHeads: number
  /** Channels of a head; fewer than the network's where a sorted one was cut. */
  readonly headSize: number
  /** Between gate/up and down, where there are no experts. */
  readonly feedForward: number
}

/** The config of a network of the Llama family, whoever wrote it. */
export interface LlamaConfig {
  readonly architecture: string
  readonly vocabularySize: number
  readonly hidden: number
  readonly layers: number
  /** Per layer, what it is made of. */
  readonly widths: readonly BlockWidths[]
  /** Channels of a head that rotation and scores are made for. */
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
  /** Whether routers have biases, which `switchedOff` adds. */
  readonly routerBias: boolean
  /** Which units stand with the best first; with `sizes` each key head has its rotary pairs in an order of its own. */
  readonly sorted?: Sorted
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

/** Whether each key head has its rotary pairs in an order of its own. */
export const sortsHeads = ({ sorted }: { readonly sorted?: Sorted | undefined }): boolean => sorted?.multiples.sizes !== undefined

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

/** Of a network whose heads are sorted: what its `head_dim` was before any cut. */
export const ORIGINAL_SIZE = 'original_head_dim'

const checkHeads = (heads: number, keyValueHeads: number): void => {
  const fits = keyValueHeads === 0 ? heads === 0 : heads > 0 && heads % keyValueHeads === 0
  if (!fits) throw badField('num_key_value_heads', keyValueHeads, `a divisor of the ${heads} attention heads`)
}

const checkEven = (size: number): number => {
  if (size % 2 !== 0) throw badField('head_dim', size, 'an even number, since halves are rotated')
  return size
}

/** Channels of heads: one number for the network, or what it was made for and what a cut left of it in each block. */
const sizesOf = (raw: RawConfig, layers: number, usual: number | undefined, sorted: Sorted | undefined) => {
  if (sorted?.multiples.sizes === undefined) {
    const size = checkEven(extent(raw, 'head_dim', usual))
    return { size, sizes: Array.from({ length: layers }, () => size) }
  }
  const size = checkEven(extent(raw, ORIGINAL_SIZE))
  return { size, sizes: perBlock(raw, 'head_dim', layers, size).map(checkEven) }
}

const headsOf = (
  raw: RawConfig,
  { hidden, layers, headSize, sorted }: { hidden: number; layers: number; headSize?: number; sorted: Sorted | undefined },
) => {
  const heads = perBlock(raw, 'num_attention_heads', layers)
  const keyValueHeads = perBlock(raw, 'num_key_value_heads', layers, heads)
  heads.forEach((count, layer) => checkHeads(count, keyValueHeads[layer]))
  const most = Math.max(...heads)
  const usual = headSize ?? (typeof raw.num_attention_heads === 'number' ? hidden / most : undefined) // lists do not say what a head's size was
  const { size, sizes } = sizesOf(raw, layers, usual, sorted)
  const feedForward = perBlock(raw, 'intermediate_size', layers)
  const widths = heads.map((count, layer) => ({
    ...{ heads: count, keyValueHeads: keyValueHeads[layer], headSize: sizes[layer], feedForward: feedForward[layer] },
  }))
  return { widths, headSize: size }
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
  const { contextLength, epsilon, widths, headSize, rope, tied, activation, sorted } = parseLlamaConfig(raw)
  const keyValueHeads = uniform(widths.map(width => width.keyValueHeads))
  return Object.freeze({
    ...withDefaults(raw, architectureOf(raw)[1]),
    ...(sortsHeads({ sorted }) ? {} : { head_dim: headSize }),
    ...{ num_key_value_heads: keyValueHeads, rms_norm_eps: epsilon, rope_theta: rope.theta },
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
  const sorted = sortedUnits(raw, layers)
  const { headSize, widths } = headsOf(raw, {
    ...{ hidden, layers, sorted },
    ...(architecture.headSize === undefined ? {} : { headSize: architecture.headSize }),
  })
  const [bos] = tokenIds(raw, 'bos_token_id')
  return Object.freeze({
    architecture: name,
    vocabularySize: extent(raw, 'vocab_size'),
    hidden,
    layers,
    widths,
    headSize,
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
    routerBias: false,
    ...(sorted ? { sorted } : {}),
    ...scalesOf(raw, architecture.gemma, hidden, headSize),
    ...(bos === undefined ? {} : { bos }),
    eos: tokenIds(raw, 'eos_token_id'),
  })
}
