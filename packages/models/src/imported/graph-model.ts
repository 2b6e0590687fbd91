import type { Tensor } from '@tensorflow/tfjs-core'
import type { Env, Model } from '@tersor/core'
import type { GraphDecoding } from './graph-decoding.js'
import type { LanguageConfig } from '../networks/language-model.js'
import type { ModelFiles, RawConfig } from '../networks/raw-config.js'
import type { Tokenizer } from '../generation/tokenizer.js'

export type * from './graph-decoding.js'

/** An input or output of an imported graph. */
export interface GraphValue {
  readonly name: string
  /** What the graph itself computes in, in its own words, such as "float32" or "int64"; tensors that go in and out are float32 or int32. */
  readonly dtype: string
  /** A name or null for an extent that the caller chooses; undefined where the graph does not say. */
  readonly shape: readonly (number | string | null)[] | undefined
}

/** Tensors by the names of a graph's inputs or outputs. */
export type GraphTensors = Readonly<Record<string, Tensor>>

/** What text a graph that gives logits of token ids takes. */
export interface GraphText {
  readonly tokenizer: Tokenizer
  readonly config: LanguageConfig
  readonly contextLength: number
  readonly vocabularySize: number
  /** The files beside the graph, the tokenizer's among them. */
  readonly files?: ModelFiles
}

/**
 * A network that was imported as a graph of operators. It is one stage, whose input is the first of `inputs`, and whose sites are the
 * nodes that multiply by a constant weight.
 */
export interface GraphModel extends Model {
  readonly family: 'graph'
  /** The name of the format that holds it. */
  readonly format: string
  /** What the file calls it; the format's name where it says nothing. */
  readonly architecture: string
  /** What the file says of itself, for reports. */
  readonly rawConfig: RawConfig
  readonly inputs: readonly GraphValue[]
  readonly outputs: readonly GraphValue[]
  /** Of a decoder in a folder with its tokenizer. */
  readonly text?: GraphText
  /** Of a decoder that takes keys and values of tokens before and gives them back: how a session runs it. */
  readonly decoding?: GraphDecoding
  /**
   * Runs the whole graph on the weights of `env`, showing the inputs of its sites to `env.tap`; inside the caller's tidy.
   * Inputs may be left out where the graph's file or its usual form says what they are.
   */
  run(inputs: GraphTensors, env: Env): GraphTensors
  /** Releases the files that the parameters are read from, and what runs the graph. */
  close?(): Promise<void>
}
