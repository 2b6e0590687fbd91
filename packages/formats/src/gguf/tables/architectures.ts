/** Where experts stand in a layer on the hub, and which stacks of the file hold them. */
export interface ExpertNames {
  /** Before ".experts.N." in a layer's names. */
  readonly place: string
  /** Parts of an expert, hub → stack of the file. */
  readonly parts: Readonly<Record<string, string>>
  /** What stands beside the experts in a layer: the router, and experts that every token takes. */
  readonly modules: Readonly<Record<string, string>>
}

const QWEN_EXPERTS: ExpertNames = {
  place: 'mlp',
  parts: { gate_proj: 'ffn_gate_exps', up_proj: 'ffn_up_exps', down_proj: 'ffn_down_exps' },
  modules: {
    'mlp.gate': 'ffn_gate_inp',
    'mlp.shared_expert_gate': 'ffn_gate_inp_shexp',
    'mlp.shared_expert.gate_proj': 'ffn_gate_shexp',
    'mlp.shared_expert.up_proj': 'ffn_up_shexp',
    'mlp.shared_expert.down_proj': 'ffn_down_shexp',
  },
}

const MIXTRAL_EXPERTS: ExpertNames = {
  place: 'block_sparse_moe',
  parts: { w1: 'ffn_gate_exps', w3: 'ffn_up_exps', w2: 'ffn_down_exps' },
  modules: { 'block_sparse_moe.gate': 'ffn_gate_inp' },
}

export const EXPERT_MODULES = { mixtral: MIXTRAL_EXPERTS, qwen: QWEN_EXPERTS } as const

/** What llama.cpp calls an architecture, and how it differs from the network on the hub. */
export interface Architecture {
  /** `model_type` and `architectures` of config.json. */
  readonly modelTypes: readonly string[]
  readonly className: string
  /** Whether rotary pairs are neighbours (2i, 2i+1) in the file; halves (i, i + size/2) on the hub. */
  readonly interleaved: boolean
  /** The experts that its layers choose from, where it has any. */
  readonly experts?: ExpertNames
  /** Whether llama.cpp scales the shares of the chosen experts to sum to 1. */
  readonly normalised?: boolean
  /** Whether llama.cpp hides what lies before a sliding window. */
  readonly slides?: boolean
}

export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: {
    modelTypes: ['llama', 'mistral', 'mixtral'],
    className: 'LlamaForCausalLM',
    interleaved: true,
    experts: MIXTRAL_EXPERTS,
    normalised: true,
  },
  deci: { modelTypes: ['llama'], className: 'LlamaForCausalLM', interleaved: true }, // a Llama whose blocks differ
  qwen2: { modelTypes: ['qwen2'], className: 'Qwen2ForCausalLM', interleaved: false },
  qwen3: { modelTypes: ['qwen3'], className: 'Qwen3ForCausalLM', interleaved: false },
  qwen2moe: {
    modelTypes: ['qwen2_moe'],
    className: 'Qwen2MoeForCausalLM',
    interleaved: false,
    experts: QWEN_EXPERTS,
    normalised: false,
  },
  qwen3moe: {
    modelTypes: ['qwen3_moe'],
    className: 'Qwen3MoeForCausalLM',
    interleaved: false,
    experts: QWEN_EXPERTS,
    normalised: true,
  },
}

/** What each `model_type` means where config.json leaves it out. */
export const CONFIG_DEFAULTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  mistral: { sliding_window: 4096 },
  mixtral: { rope_theta: 1_000_000, num_experts_per_tok: 2 },
  qwen3: { head_dim: 128 },
  qwen3_moe: { head_dim: 128, num_experts_per_tok: 2 },
  qwen2_moe: { num_experts_per_tok: 2 },
}

/** What all of them mean by a field that is left out. */
export const COMMON_DEFAULTS = { rms_norm_eps: 1e-6, rope_theta: 10000, max_position_embeddings: 2048 } as const

/** Modules outside the layers, hub → file. */
export const MODULES: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
}

/** Modules of layer N: model.layers.N.X → blk.N.Y. */
export const LAYER_MODULES: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  post_attention_layernorm: 'ffn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
}

/** Frequency factors of llama3 scaling: a tensor in the file, numbers in config.json. */
export const ROPE_FACTORS = 'rope_freqs.weight'
