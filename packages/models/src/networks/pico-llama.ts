import { createRng } from '@tersor/core'
import type { DType } from '@tersor/tensor'
import { byteTokenizer, BYTE_VOCABULARY } from '../generation/byte-tokenizer.js'
import { initLlama } from './init-llama.js'
import type { LanguageModel } from './language-model.js'
import type { RawConfig } from './raw-config.js'
import { llamaModel } from './llama.js'
import { parseLlamaConfig } from './llama-config.js'

export interface PicoLlamaOptions {
  readonly hidden?: number
  readonly feedForward?: number
  readonly layers?: number
  readonly heads?: number
  readonly keyValueHeads?: number
  /** 257 (the default) comes with a tokenizer of bytes; any other number without one. */
  readonly vocabulary?: number
  readonly context?: number
  readonly dtype?: DType
  readonly seed?: number
  /** Laid over the config.json, for variants such as { model_type: 'qwen3' }. */
  readonly config?: RawConfig
}

/** Wide enough that logits differ visibly from position to position. */
const DEVIATION = 0.2

/** A tiny random network of the Llama family, for tests and examples: says nothing, but runs like a large one. */
export const picoLlama = (options: PicoLlamaOptions = {}): LanguageModel => {
  const { hidden = 32, feedForward = 64, layers = 2, heads = 4, keyValueHeads = 2, context = 64, dtype = 'f32', seed = 0 } = options
  const vocabulary = options.vocabulary ?? BYTE_VOCABULARY
  const rawConfig: RawConfig = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: feedForward,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: keyValueHeads,
    vocab_size: vocabulary,
    max_position_embeddings: context,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    hidden_act: 'silu',
    tie_word_embeddings: false,
    ...options.config,
  }
  const params = initLlama(parseLlamaConfig(rawConfig), createRng(seed), { deviation: DEVIATION, dtype })
  return llamaModel(rawConfig, params, vocabulary === BYTE_VOCABULARY ? { tokenizer: byteTokenizer() } : {})
}
