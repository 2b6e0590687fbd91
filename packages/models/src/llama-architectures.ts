import { extent, flag, perLayer } from './config-fields.js'
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
  readonly tied: boolean
  readonly theta: number
  readonly headSize?: number
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

/** Mixtral has experts in every layer. */
const mixtralExperts = (raw: RawConfig, layers: number): readonly Experts[] =>
  everywhere(layers, {
    ...expertCounts(raw, 'num_local_experts'),
    feedForward: extent(raw, 'intermediate_size'),
    normalised: true,
    place: 'block_sparse_moe',
    names: ['w1', 'w3', 'w2'],
  })

/** Qwen has experts in every `decoder_sparse_step`-th layer but those of `mlp_only_layers`. */
const qwenExperts = (raw: RawConfig, layers: number): readonly (Experts | null)[] => {
  const step = extent(raw, 'decoder_sparse_step', 1)
  const plain = Array.isArray(raw.mlp_only_layers) ? raw.mlp_only_layers : []
  const experts: Experts = {
    ...expertCounts(raw, raw.num_experts === undefined ? 'num_local_experts' : 'num_experts'),
    feedForward: extent(raw, 'moe_intermediate_size'),
    normalised: flag(raw, 'norm_topk_prob', false),
    place: 'mlp',
    names: ['gate_proj', 'up_proj', 'down_proj'],
  }
  return Array.from({ length: layers }, (_, layer) => ((layer + 1) % step === 0 && !plain.includes(layer) ? experts : null))
}

const expertCounts = (raw: RawConfig, field: string) => {
  const count = extent(raw, field)
  return { count, perToken: extent(raw, 'num_experts_per_tok', 2, count) }
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
  tied: false,
  theta: 10000,
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
}

/** The architectures of the family by `model_type`. */
export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: LLAMA,
  mistral: { ...LLAMA, biases: () => NO_BIASES, windows: mistralWindows },
  mixtral: { ...LLAMA, biases: () => NO_BIASES, windows: configuredWindows, experts: mixtralExperts, theta: 1_000_000 },
  qwen2: { ...LLAMA, biases: () => ({ queryKeyValue: true, output: false, feedForward: false }), windows: qwenWindows },
  qwen3: QWEN3,
  qwen3_moe: { ...QWEN3, experts: qwenExperts },
  phi3: { ...LLAMA, biases: () => NO_BIASES, windows: configuredWindows, fused: true },
  gemma2: { ...LLAMA, tied: true, headSize: 256, windows: gemmaWindows, gemma: true },
  smollm3: { ...LLAMA, tied: true, theta: 2_000_000, windows: qwenWindows, rotated: smolRotations },
}
