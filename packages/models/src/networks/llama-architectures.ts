import { extent, flag, perBlock, perLayer } from './config-fields.js'
import type { RawConfig } from './raw-config.js'

/** Which linear layers have biases. */
export interface Biases {
  readonly queryKeyValue: boolean
  readonly output: boolean
  readonly feedForward: boolean
}

/** The experts of one layer. */
export interface Experts {
  readonly count: number
  readonly perToken: number
  /** Width between gate/up and down of each. */
  readonly feedForward: number
  /** Whether the shares of the chosen ones are scaled to sum to 1. */
  readonly normalised: boolean
  /** Where they stand in a block, and what their gate, up and down are called. */
  readonly place: string
  readonly names: readonly [gate: string, up: string, down: string]
}

/** What sets one architecture of the family apart from another. */
export interface Architecture {
  readonly biases: (raw: RawConfig) => Biases
  readonly queryKeyNorm: boolean
  readonly theta: number
  readonly headSize?: number
  /** What transformers takes where the config leaves it out, in its names. */
  readonly defaults: RawConfig
  readonly windows: (raw: RawConfig, layers: number) => readonly (number | null)[]
  readonly rotated: (raw: RawConfig, layers: number) => readonly boolean[]
  readonly fused: boolean
  readonly experts: (raw: RawConfig, layers: number) => readonly (Experts | null)[]
  /** Whether norms, scales and caps are Gemma's. */
  readonly gemma: boolean
}

const everywhere = <T>(layers: number, value: T): readonly T[] => Array.from({ length: layers }, () => value)

const configuredBiases = (raw: RawConfig): Biases => {
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

/** How many experts each block has and how many a token is given; the width of each is none where a block has no feed-forward network. */
const expertsOf = (raw: RawConfig, layers: number, fields: { count: string; width: string; usual: number }) => {
  const counts = perBlock(raw, fields.count, layers)
  const widths = perBlock(raw, fields.width, layers)
  const present = counts.filter((count, layer) => count > 0 && widths[layer] > 0)
  const most = Math.min(...present)
  const perToken = present.length === 0 ? 0 : extent(raw, 'num_experts_per_tok', Math.min(fields.usual, most), most)
  return counts.map((count, layer) => (count > 0 && widths[layer] > 0 ? { count, perToken, feedForward: widths[layer] } : null))
}

/** Mixtral has experts in every layer. */
const mixtralExperts = (raw: RawConfig, layers: number): readonly (Experts | null)[] =>
  expertsOf(raw, layers, { count: 'num_local_experts', width: 'intermediate_size', usual: 2 }).map(
    experts => experts && { ...experts, normalised: true, place: 'block_sparse_moe', names: ['w1', 'w3', 'w2'] },
  )

/** Qwen has experts in every `decoder_sparse_step`-th layer but those of `mlp_only_layers`. */
const qwenExperts = (raw: RawConfig, layers: number): readonly (Experts | null)[] => {
  const step = extent(raw, 'decoder_sparse_step', 1)
  const plain = Array.isArray(raw.mlp_only_layers) ? raw.mlp_only_layers : []
  const normalised = flag(raw, 'norm_topk_prob', false)
  const count = raw.num_experts === undefined ? 'num_local_experts' : 'num_experts'
  return expertsOf(raw, layers, { count, width: 'moe_intermediate_size', usual: 8 }).map((experts, layer) =>
    experts && (layer + 1) % step === 0 && !plain.includes(layer)
      ? { ...experts, normalised, place: 'mlp', names: ['gate_proj', 'up_proj', 'down_proj'] }
      : null,
  )
}

/** Gemma 2 slides in every second layer from the first on, unless `layer_types` says otherwise. */
const gemmaWindows = (raw: RawConfig, layers: number): readonly (number | null)[] => {
  const types = perLayer(raw, 'layer_types', layers)
  const window = extent(raw, 'sliding_window', 4096)
  return Array.from({ length: layers }, (_, layer) => ((types ? types[layer] === 'sliding_attention' : layer % 2 === 0) ? window : null))
}

const LLAMA: Architecture = {
  biases: configuredBiases,
  queryKeyNorm: false,
  theta: 10000,
  defaults: { rms_norm_eps: 1e-6, max_position_embeddings: 2048, tie_word_embeddings: false },
  windows: (_raw, layers) => everywhere(layers, null),
  rotated: (_raw, layers) => everywhere(layers, true),
  fused: false,
  experts: (_raw, layers) => everywhere(layers, null),
  gemma: false,
}

const NO_BIASES: Biases = { queryKeyValue: false, output: false, feedForward: false }
const configuredWindows = (raw: RawConfig, layers: number): readonly (number | null)[] =>
  everywhere(layers, typeof raw.sliding_window === 'number' ? extent(raw, 'sliding_window') : null)

const QWEN3: Architecture = {
  ...LLAMA,
  biases: raw => ({ ...configuredBiases(raw), feedForward: false }),
  queryKeyNorm: true,
  headSize: 128,
  windows: qwenWindows,
  defaults: { ...LLAMA.defaults, max_position_embeddings: 32768, num_key_value_heads: 32 },
}
const { headSize: _never, ...withoutHeadSize } = QWEN3
const QWEN3_MOE: Architecture = {
  ...withoutHeadSize,
  experts: qwenExperts,
  defaults: { ...QWEN3.defaults, num_key_value_heads: 4, moe_intermediate_size: 768 },
}
const MISTRAL_DEFAULTS: RawConfig = { ...LLAMA.defaults, max_position_embeddings: 131072, num_key_value_heads: 8 }
const GEMMA2_DEFAULTS: RawConfig = {
  ...{ ...LLAMA.defaults, max_position_embeddings: 8192, num_key_value_heads: 4, tie_word_embeddings: true },
  ...{ hidden_activation: 'gelu_pytorch_tanh', query_pre_attn_scalar: 256 },
  ...{ attn_logit_softcapping: 50, final_logit_softcapping: 30 },
}

/** The architectures of the family by `model_type`. */
export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: LLAMA,
  mistral: { ...LLAMA, biases: () => NO_BIASES, windows: mistralWindows, defaults: MISTRAL_DEFAULTS },
  mixtral: {
    ...{ ...LLAMA, biases: () => NO_BIASES, windows: configuredWindows, experts: mixtralExperts, theta: 1_000_000 },
    defaults: { ...MISTRAL_DEFAULTS, rms_norm_eps: 1e-5, num_local_experts: 8 },
  },
  qwen2: {
    ...{ ...LLAMA, biases: () => ({ queryKeyValue: true, output: false, feedForward: false }), windows: qwenWindows },
    defaults: QWEN3.defaults,
  },
  qwen3: QWEN3,
  qwen3_moe: QWEN3_MOE,
  phi3: {
    ...{ ...LLAMA, biases: () => NO_BIASES, windows: configuredWindows, fused: true },
    defaults: { ...LLAMA.defaults, rms_norm_eps: 1e-5, max_position_embeddings: 4096, original_max_position_embeddings: 4096 },
  },
  gemma2: { ...LLAMA, headSize: 256, windows: gemmaWindows, gemma: true, defaults: GEMMA2_DEFAULTS },
  smollm3: {
    ...{ ...LLAMA, theta: 2_000_000, windows: qwenWindows, rotated: smolRotations },
    defaults: { ...LLAMA.defaults, max_position_embeddings: 32768, num_key_value_heads: 4, tie_word_embeddings: true },
  },
}
