import type { Model, Provenance } from '@tersor/core'
import type { Metadata } from '@tersor/formats/gguf'
import type { ModelFiles, RawConfig } from './raw-config.js'
import type { Rope } from './rope.js'
import type { Tokenizer } from '../generation/tokenizer.js'

/** What generation needs to know of a config. */
export interface LanguageConfig {
  readonly bos?: number
  /** Tokens that end a text. */
  readonly eos: readonly number[]
  /** Per layer, the keys a query sees, itself included; null, or no list, for all. */
  readonly windows?: readonly (number | null)[]
  /** How positions turn queries and keys, where they do. */
  readonly rope?: Rope
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
  /** What was settled while the files were opened, a sentence each. */
  readonly notes?: readonly string[]
  /** The name in the file of a parameter that the network calls otherwise. */
  readonly storedName?: (name: string) => string
}

/** A network from token ids (batch, tokens) to logits (batch, tokens, vocabulary). */
export interface LanguageModel<Config extends LanguageConfig = LanguageConfig> extends Model {
  readonly family: 'language'
  /** The `model_type` of its config, such as "qwen2". */
  readonly architecture: string
  readonly config: Config
  readonly rawConfig: RawConfig
  /** `rawConfig` with every default filled in, in the same names: for formats that leave nothing out. */
  readonly completeConfig?: RawConfig
  /** What was settled while it was opened, and tensors that nothing claims, a sentence each. */
  readonly notes?: readonly string[]
  /** The name in the file of a parameter that the network calls otherwise; absent where all names are the network's. */
  readonly storedName?: (name: string) => string
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
