/** What llama.cpp calls an architecture, and how it differs from the network on the hub. */
export interface Architecture {
  /** `model_type` and `architectures` of config.json. */
  readonly modelTypes: readonly string[]
  readonly className: string
  /** Whether rotary pairs are neighbours (2i, 2i+1) in the file; halves (i, i + size/2) on the hub. */
  readonly interleaved: boolean
}

export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: { modelTypes: ['llama', 'mistral'], className: 'LlamaForCausalLM', interleaved: true },
  qwen2: { modelTypes: ['qwen2'], className: 'Qwen2ForCausalLM', interleaved: false },
  qwen3: { modelTypes: ['qwen3'], className: 'Qwen3ForCausalLM', interleaved: false },
}

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
