import type { Model } from '@tersor/core'
import type { LlamaConfig } from './llama-config.js'
import type { ModelFiles, RawConfig } from './raw-config.js'
import type { Tokenizer } from './tokenizer.js'

/** A network from token ids (batch, tokens) to logits (batch, tokens, vocabulary). */
export interface LanguageModel extends Model {
  readonly family: 'language'
  /** The `model_type` of its config, such as "qwen2". */
  readonly architecture: string
  readonly config: LlamaConfig
  readonly rawConfig: RawConfig
  /** Positions that it was made for. */
  readonly contextLength: number
  readonly vocabularySize: number
  readonly tokenizer?: Tokenizer
  readonly files?: ModelFiles
  /** Releases the files that the parameters are read from. */
  close?(): Promise<void>
}
