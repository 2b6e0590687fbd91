import type { CachePlan, Caches, LoadPackedOptions, Product, Weights } from '@tersor/core'
import type { Dense } from '@tersor/tensor'
import type { LanguageModel } from '../networks/language-model.js'
import type { CachedSteps } from './token-steps.js'

export interface SessionOptions {
  /** What keeps the cache small: policies, asked in order. It holds everything where absent. */
  readonly cache?: CachePlan
  /** What policies draw from. */
  readonly seed?: number
  readonly signal?: AbortSignal
  /** Weights that the caller has loaded already and keeps: what `loadModel` or `loadPacked` gave. */
  readonly weights?: Weights
  readonly product?: Product
  /**
   * How weights that are loaded here take part: 'packed' (the default) leaves quantized matrices packed where the engine multiplies
   * them so, 'dense' decodes everything first.
   */
  readonly form?: 'packed' | 'dense'
  /** What products with packed weights make of activations: 'float32' (the default), or 'int8', which is faster and rounds them. */
  readonly activations?: LoadPackedOptions['activations']
  /** Keys and values in so many bits, which ONNX graphs with fused attention can keep; throws UNSUPPORTED for other models. */
  readonly cacheBits?: 8 | 4
}

/** What a session runs, of a network as of a decoder that was imported as a graph. */
export type Decodable = Pick<LanguageModel, 'params' | 'stages' | 'topology' | 'contextLength' | 'vocabularySize' | 'files'>

/** Runs the steps of sessions, on weights that go when the last of them does. */
export interface SessionSource {
  readonly model: Decodable
  /** In how many bits keys and values are kept meanwhile. */
  readonly bits?: 8 | 4
  /** Steps that go on with what those before kept. */
  stepsOver(caches: Caches, count: number, kept?: Readonly<Record<string, Dense>>): CachedSteps
  dispose(): void
}

export interface Shared extends SessionSource {
  users: number
}
