import type { Model, Provenance } from '@tersor/core'
import type { Metadata } from '@tersor/formats/gguf'
import type { ModelFiles, RawConfig } from './raw-config.js'
import type { Tokenizer } from './tokenizer.js'

/** What generation needs to know of a config. */
export interface LanguageConfig {
  readonly bos?: number
  /** Tokens that end a text. */
  readonly eos: readonly number[]
  /** Per layer, the keys a query sees, itself included; null, or no list, for all. */
  readonly windows?: readonly (number | null)[]
}

/** What travels with a language model besides its weights. */
export interface LanguageModelExtras {
  readonly tokenizer?: Tokenizer
  readonly files?: ModelFiles
  /** All that a GGUF file says besides its weights, so that another one can keep it. */
  readonly metadata?: Metadata
  readonly provenance?: readonly Provenance[]
  /** A generation_config.json: the tokens that end a text stand there in newer models. */
  readonly generationConfig?: RawConfig
  readonly close?: () => Promise<void>
}

/** A network from token ids (batch, tokens) to logits (batch, tokens, vocabulary). */
export interface LanguageModel<Config extends LanguageConfig = LanguageConfig> extends Model {
  readonly family: 'language'
  /** The `model_type` of its config, such as "qwen2". */
  readonly architecture: string
  readonly config: Config
  readonly rawConfig: RawConfig
  /** Positions that it was made for. */
  readonly contextLength: number
  readonly vocabularySize: number
  readonly tokenizer?: Tokenizer
  readonly files?: ModelFiles
  /** All that the GGUF file that it was read from says besides its weights. */
  readonly metadata?: Metadata
  /** Releases the files that the parameters are read from. */
  close?(): Promise<void>
}
