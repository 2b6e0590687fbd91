import type { GraphValue } from '../imported/graph-model.js'
import type { LanguageModel } from '../networks/language-model.js'
import type { TextEncoder } from '../networks/text-encoder.js'

/** Logits or logarithms of probabilities of all tokens, a row for each of the ids; −∞ where the runtime gives none. */
export type RunTokens = (path: string, ids: readonly number[], vocabulary: number) => Promise<readonly ArrayLike<number>[]>

/** What an encoder gives for one text: its logits, or hidden states where it has no head. */
export type RunEncoder = (path: string, ids: readonly number[], task: TextEncoder['task']) => Promise<ArrayLike<number>>

/** A tensor as it goes into a graph. */
export interface GraphInput {
  readonly value: GraphValue
  readonly shape: readonly number[]
  readonly data: ArrayLike<number>
}

/** The outputs of a graph in its own order; a runtime that names them may leave out none. */
export type RunGraph = (path: string, inputs: readonly GraphInput[], outputs: readonly string[]) => Promise<readonly ArrayLike<number>[]>

/** A program that people run a format in, and that is not Tersor. */
export interface Runtime {
  readonly name: string
  /** The package that must be installed where the command runs; by the file where that decides. */
  packageFor(path: string): Promise<string>
  /** For language models. */
  readonly tokens?: (library: any) => RunTokens
  /** The divergence, in nats, up to which a language model counts as the same; a thousandth where absent. */
  bound?(model: LanguageModel): number
  /** For text encoders. */
  readonly encoder?: (library: any) => RunEncoder
  /** For imported graphs. */
  readonly graph?: (library: any) => RunGraph
}
