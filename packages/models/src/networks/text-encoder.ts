import type { Model } from '@tersor/core'
import type { ModelFiles, RawConfig } from './raw-config.js'
import type { Tokenizer } from '../generation/tokenizer.js'

/** A network from token ids (batch, tokens) to logits, (batch, classes) or (batch, tokens, vocabulary), or to the hidden states of its last block, (batch, tokens, hidden). */
export interface TextEncoder<Config = object> extends Model {
  readonly family: 'encoder'
  readonly task: 'classification' | 'masked-language' | 'hidden-states'
  readonly architecture: string
  readonly config: Config
  readonly rawConfig: RawConfig
  /** What was settled while it was opened, and tensors that nothing claims, a sentence each. */
  readonly notes?: readonly string[]
  /** The name in the file of a parameter that the network calls otherwise; absent where all names are the network's. */
  readonly storedName?: (name: string) => string
  readonly contextLength: number
  readonly vocabularySize: number
  readonly tokenizer?: Tokenizer
  readonly files?: ModelFiles
  close?(): Promise<void>
}
