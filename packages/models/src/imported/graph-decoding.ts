import type { Tensor4D } from '@tensorflow/tfjs-core'
import type { AttentionFacts, Entries, Env } from '@tersor/core'

/** What one step of a graph gives. */
export interface GraphStep {
  /** After the last of the tokens. */
  readonly logits: Float32Array
  /** Of each layer, (key heads, groups, tokens, size) as they met the keys; none where nobody asked. */
  readonly queries: readonly Tensor4D[]
}

/** What codes of keys and values are multiplied by, (key heads · size) each. */
export interface CodeScales {
  readonly keys: Float32Array
  readonly values: Float32Array
}

/** What a decoder's graph remembers of one text; it stays with the runtime until it is given back. */
export interface GraphMemory {
  /** Runs the graph over more tokens, the first of which stands at `next`; where it throws, nothing was remembered. */
  step(ids: readonly number[], next: number): Promise<GraphStep>
  /** Takes the entries of each layer, which stay the caller's. */
  take(layers: readonly (readonly Entries[])[]): Promise<void>
  /** Gives back the entries of each layer, which the caller owns, and remembers nothing. */
  give(): readonly (readonly Entries[])[]
  /** The same in a memory of its own. */
  fork(): GraphMemory
  /** By layer, of keys and values as codes; none before there are any. */
  readonly scales: readonly CodeScales[]
}

/** What a session asks of a graph. */
export interface GraphNeeds {
  /** Whether a plan evicts: entries are hidden and tokens stand at positions that are not their places then. */
  readonly planned: boolean
  /** Whether a policy reads queries, or what is computed of them. */
  readonly observed: boolean
  /** Keys and values as codes of so many bits, where the graph has an operator for them. */
  readonly bits?: 8 | 4 | undefined
}

/** A graph that is loaded with its weights. */
export interface GraphRunner {
  /** Empty; with scales that codes were made by before, where there are any. */
  memory(scales?: readonly CodeScales[]): GraphMemory
  dispose(): void
}

/** How a decoder's graph that takes past keys and values and gives present ones is run for a session. */
export interface GraphDecoding {
  /** Of each layer. */
  readonly attention: readonly AttentionFacts[]
  /** Loads the graph; throws UNSUPPORTED for what it cannot give. */
  open(env: Env, needs: GraphNeeds): Promise<GraphRunner>
}
