import type { RawConfig } from './raw-config.js'
import { tiny } from './tiny-resnet.fixture.js'

const LLAMA: RawConfig = {
  ...{ model_type: 'llama', hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2 },
  ...{ vocab_size: 60, max_position_embeddings: 128 },
}
const ENCODER: RawConfig = { hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 4 }
const BERT: RawConfig = { ...ENCODER, model_type: 'bert', vocab_size: 60, max_position_embeddings: 32 }

/** The smallest network of each kind. */
export const FRESH_CONFIGS: Readonly<Record<string, RawConfig>> = {
  llama: LLAMA,
  mistral: { ...LLAMA, model_type: 'mistral', sliding_window: 5 },
  phi3: { ...LLAMA, model_type: 'phi3' },
  qwen3: { ...LLAMA, model_type: 'qwen3', head_dim: 6 },
  mixtral: { ...LLAMA, model_type: 'mixtral', rope_theta: 10000, num_local_experts: 3 },
  qwen3_moe: { ...LLAMA, model_type: 'qwen3_moe', num_experts: 3, num_experts_per_tok: 2, moe_intermediate_size: 8 },
  gemma2: { ...LLAMA, model_type: 'gemma2', sliding_window: 5, head_dim: 6, attn_logit_softcapping: 4 },
  smollm3: { ...LLAMA, model_type: 'smollm3', no_rope_layers: [0, 1] },
  gpt2: { model_type: 'gpt2', n_embd: 32, n_head: 4, n_layer: 2, vocab_size: 60, n_positions: 32 },
  bert: BERT,
  'bert for masked tokens': { ...BERT, architectures: ['BertForMaskedLM'] },
  'bert for masked tokens, untied': { ...BERT, architectures: ['BertForMaskedLM'], tie_word_embeddings: false },
  'bert for classes': { ...BERT, architectures: ['BertForSequenceClassification'], num_labels: 5 },
  vit: { ...ENCODER, model_type: 'vit', image_size: 8, patch_size: 4, num_labels: 3 },
  resnet8: tiny,
}
