import { CompressionError } from '@tersor/tensor'
import { badField, DEEPEST, extent, flag, perLayer, positive, record, tokenIds } from './config-fields.js'
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
  readonly biases: { readonly queryKeyValue: boolean; readonly output: boolean; readonly feedForward: boolean }
  /** Whether queries and keys are normalised head by head. */
  readonly queryKeyNorm: boolean
  /** Per layer, the keys a query sees, itself included; null for all. */
  readonly windows: readonly (number | null)[]
  /** Per layer, whether queries and keys are rotated by position. */
  readonly rotated: readonly boolean[]
  readonly bos?: number
  readonly eos: readonly number[]
}

/** What sets one architecture of the family apart from another. */
interface Architecture {
  readonly biases: (raw: RawConfig) => LlamaConfig['biases']
  readonly queryKeyNorm: boolean
  readonly tied: boolean
  readonly theta: number
  readonly headSize?: number
  readonly windows: (raw: RawConfig, layers: number) => readonly (number | null)[]
  readonly rotated: (raw: RawConfig, layers: number) => readonly boolean[]
}

const everywhere = <T>(layers: number, value: T): readonly T[] => Array.from({ length: layers }, () => value)

const configuredBiases = (raw: RawConfig): LlamaConfig['biases'] => {
  const attention = flag(raw, 'attention_bias', false)
  return { queryKeyValue: attention, output: attention, feedForward: flag(raw, 'mlp_bias', false) }
}

/** Mistral slides in every layer; its window of 4096 was once left out of the file. */
const mistralWindows = (raw: RawConfig, layers: number): readonly (number | null)[] =>
  everywhere(layers, raw.sliding_window === null ? null : extent(raw, 'sliding_window', 4096))

/** Qwen slides where `layer_types` says so or, in older files, from layer `max_window_layers` on. */
const qwenWindows = (raw: RawConfig, layers: number): readonly (number | null)[] => {
  if (!flag(raw, 'use_sliding_window', false)) return everywhere(layers, null)
  const window = extent(raw, 'sliding_window')
  const types = perLayer(raw, 'layer_types', layers)
  const first = typeof raw.max_window_layers === 'number' ? raw.max_window_layers : layers
  return Array.from({ length: layers }, (_, layer) => ((types ? types[layer] === 'sliding_attention' : layer >= first) ? window : null))
}

/** SmolLM3 leaves every fourth layer without rotation; `no_rope_layers` holds 1 where a layer rotates. */
const smolRotations = (raw: RawConfig, layers: number): readonly boolean[] => {
  const list = perLayer(raw, 'no_rope_layers', layers)
  const interval = extent(raw, 'no_rope_layer_interval', 4)
  return Array.from({ length: layers }, (_, layer) => (list ? list[layer] === 1 : (layer + 1) % interval !== 0))
}

const LLAMA: Architecture = {
  biases: configuredBiases,
  queryKeyNorm: false,
  tied: false,
  theta: 10000,
  windows: (_raw, layers) => everywhere(layers, null),
  rotated: (_raw, layers) => everywhere(layers, true),
}

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: LLAMA,
  mistral: { ...LLAMA, biases: () => ({ queryKeyValue: false, output: false, feedForward: false }), windows: mistralWindows },
  qwen2: { ...LLAMA, biases: () => ({ queryKeyValue: true, output: false, feedForward: false }), windows: qwenWindows },
  qwen3: {
    ...LLAMA,
    biases: raw => ({ ...configuredBiases(raw), feedForward: false }),
    queryKeyNorm: true,
    headSize: 128,
    windows: qwenWindows,
  },
  smollm3: { ...LLAMA, tied: true, theta: 2_000_000, windows: qwenWindows, rotated: smolRotations },
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

const checkActivation = (raw: RawConfig): void => {
  const name = raw.hidden_act ?? 'silu'
  if (name !== 'silu')
    throw unsupported(`The activation ${JSON.stringify(name)} is not one this package runs.`, ['silu'], { activation: name })
}

const headsOf = (raw: RawConfig, hidden: number, headSize?: number) => {
  const heads = extent(raw, 'num_attention_heads')
  const keyValueHeads = extent(raw, 'num_key_value_heads', heads)
  if (heads % keyValueHeads !== 0) throw badField('num_key_value_heads', keyValueHeads, `a divisor of the ${heads} attention heads`)
  const size = extent(raw, 'head_dim', headSize ?? hidden / heads)
  if (size % 2 !== 0) throw badField('head_dim', size, 'an even number, since halves are rotated')
  return { heads, keyValueHeads, headSize: size }
}

/**
 * Reads a config.json of the Llama family, as transformers 4 or 5 writes it.
 * Throws UNSUPPORTED for an architecture, activation or rotation that is not known, BAD_FILE for missing or absurd fields.
 */
export const parseLlamaConfig = (raw: RawConfig): LlamaConfig => {
  const [name, architecture] = architectureOf(raw)
  checkActivation(raw)
  const hidden = extent(raw, 'hidden_size')
  const layers = extent(raw, 'num_hidden_layers', undefined, DEEPEST)
  const rotation = { rope_theta: raw.rope_theta, ...(record(raw, 'rope_parameters') ?? record(raw, 'rope_scaling')) }
  const contextLength = extent(raw, 'max_position_embeddings', 2048)
  const [bos] = tokenIds(raw, 'bos_token_id')
  return Object.freeze({
    architecture: name,
    vocabularySize: extent(raw, 'vocab_size'),
    hidden,
    feedForward: extent(raw, 'intermediate_size'),
    layers,
    ...headsOf(raw, hidden, architecture.headSize),
    contextLength,
    epsilon: positive(raw, 'rms_norm_eps', 1e-6),
    rope: parseRope(rotation, { theta: architecture.theta, contextLength }),
    tied: flag(raw, 'tie_word_embeddings', architecture.tied),
    biases: architecture.biases(raw),
    queryKeyNorm: architecture.queryKeyNorm,
    windows: architecture.windows(raw, layers),
    rotated: architecture.rotated(raw, layers),
    ...(bos === undefined ? {} : { bos }),
    eos: tokenIds(raw, 'eos_token_id'),
  })
}
