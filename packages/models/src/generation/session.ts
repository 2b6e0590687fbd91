import {
  isCompact,
  loadModel,
  loadPacked,
  openCaches,
  type CacheBytes,
  type CachePlan,
  type Caches,
  type Env,
  type LoadedWeights,
  type LoadPackedOptions,
  type Products,
  type Weights,
} from '@tersor/core'
import { repeatably } from '@tersor/kernels'
import { CompressionError } from '@tersor/tensor'
import { graphDecodable, graphSessionSource } from './graph-session.js'
import { cachedSteps, type CachedSteps } from './token-steps.js'
import { isTextGraph, type Generator } from './generator.js'
import type { LanguageModel } from '../networks/language-model.js'

export interface SessionOptions {
  /** What keeps the cache small: policies, asked in order. It holds everything where absent. */
  readonly cache?: CachePlan
  /** What policies draw from. */
  readonly seed?: number
  readonly signal?: AbortSignal
  /** Weights that the caller has loaded already and keeps: what `loadModel` or `loadPacked` gave. */
  readonly weights?: Weights
  readonly products?: Products
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

/** One text and what the network remembers of it. */
export interface Session {
  /** Every token that went through the network. */
  readonly ids: readonly number[]
  readonly model: Decodable
  /** What is held, all of it here: a recorded step gives its entries back. */
  readonly caches: Caches
  readonly bytes: CacheBytes
  /**
   * Reads more tokens, several as a prompt and one as a continuation, and gives the logits after the last. Where it throws or is aborted, `ids` says
   * how far it came, and the session goes on from there. Throws BAD_DATA for no tokens, ids of another vocabulary, and beyond the context.
   */
  append(ids: readonly number[], options?: { readonly signal?: AbortSignal | undefined }): Promise<Float32Array>
  /** Forgets all tokens behind the first `to`; false, and nothing is changed, where entries were let go since then: start again. */
  rewind(to: number): boolean
  /** The same text in a session of its own; weights are shared until the last is disposed. */
  fork(): Session
  dispose(): void
}

/** Single tokens in a row for which a step is worth recording. */
const MANY = 64

/** The first of some ids that a vocabulary has not. */
export const strangerAmong = (ids: readonly number[], vocabularySize: number): number | undefined =>
  ids.find(id => !Number.isInteger(id) || id < 0 || id >= vocabularySize)

const checkIds = (ids: readonly number[], { vocabularySize }: Decodable): void => {
  const stranger = strangerAmong(ids, vocabularySize)
  if (ids.length === 0) throw new CompressionError('BAD_DATA', 'There are no tokens to read.', 'Pass at least one.')
  if (stranger === undefined) return
  throw new CompressionError(
    'BAD_DATA',
    `The text holds ${stranger}, but the model knows tokens 0 to ${vocabularySize - 1}.`,
    "Encode it with the model's own tokenizer.",
    { token: stranger, vocabularySize },
  )
}

/** Positions end with the context; where they are made compact, only what is held counts. */
const checkContext = (caches: Caches, more: number, { contextLength }: Decodable): void => {
  if (isCompact(caches.plan) || caches.next + more <= contextLength) return
  throw new CompressionError(
    'BAD_DATA',
    `${more} tokens behind ${caches.next} end beyond the context of ${contextLength}.`,
    'Read fewer, or open the session with a plan that makes positions compact, such as streaming-llm(positions=compact).',
    { tokens: more, held: caches.next, contextLength },
  )
}

/** A policy that renumbers must let go before the context is full. */
export const checkCompact = (plan: CachePlan, contextLength: number): void => {
  for (const { name, when, positions } of plan) {
    if (positions !== 'compact' || !('over' in when) || when.over + when.slack <= contextLength) continue
    throw new CompressionError(
      'BAD_OPTION',
      `${name} lets go when ${when.over + when.slack} entries are held, beyond the context of ${contextLength}.`,
      'Choose a smaller window, or less slack.',
      { policy: name, contextLength },
    )
  }
}

/** How a session is run. */
export interface Pace {
  /** Single tokens that are expected. */
  readonly count?: number
  /** Whether bits hang on the text alone and not on what the process computed before, which policies and files need; true where absent. */
  readonly repeats?: boolean
}

/** Runs the steps of sessions, on weights that go when the last of them does. */
export interface SessionSource {
  readonly model: Decodable
  stepsOver(caches: Caches, count: number): CachedSteps
  dispose(): void
}

interface Shared extends SessionSource {
  users: number
}

export const sessionOver = (
  shared: Shared,
  caches: Caches,
  begin: readonly number[],
  { count = MANY, repeats = true }: Pace = {},
  steps = shared.stepsOver(caches, count),
): Session => {
  const { model } = shared
  const ids = [...begin]
  let isOpen = true
  shared.users++
  const checkOpen = (): void => {
    if (!isOpen) throw new CompressionError('IN_USE', 'The session was disposed.', 'Open another one, or fork it before it is disposed.')
  }
  return {
    ...{ ids, model },
    get caches() {
      steps.release()
      return caches
    },
    get bytes() {
      steps.release()
      return caches.bytes
    },
    append: async (more, { signal } = {}) => {
      checkOpen()
      checkIds(more, model)
      checkContext(caches, more.length, model)
      ids.push(...more)
      try {
        return await (repeats ? repeatably(() => steps.next(more, signal)) : steps.next(more, signal))
      } finally {
        ids.length = caches.seen
      }
    },
    rewind: to => {
      checkOpen()
      steps.release()
      if (!caches.rewind(to)) return false
      ids.length = Math.min(ids.length, Math.max(0, to))
      return true
    },
    fork: () => {
      checkOpen()
      steps.release()
      const copy = caches.fork()
      return sessionOver(shared, copy, ids, { count, repeats }, steps.fork?.(copy))
    },
    dispose: () => {
      if (!isOpen) return
      isOpen = false
      steps.dispose()
      caches.dispose()
      if (--shared.users === 0) shared.dispose()
    },
  }
}

/** What stages need of weights. */
export const envOf = ({ weights, products }: { readonly weights: Weights; readonly products?: Products | undefined }): Env =>
  products ? { weights, products } : { weights }

const noCodes = (bits: number): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `cacheBits is ${bits}, and stages keep keys and values in full.`,
    'Leave it out, or open an ONNX graph with fused attention.',
    { bits },
  )

/** What runs a network, its weights loaded where the caller has not. */
const stagesSource = async (model: LanguageModel, options: SessionOptions): Promise<SessionSource> => {
  const { weights, products, form = 'packed', activations, signal, cacheBits } = options
  if (cacheBits !== undefined) throw noCodes(cacheBits)
  const packed = { ...(signal && { signal }), ...(activations && { activations }) }
  const load = () => (form === 'dense' ? loadModel(model, signal) : loadPacked(model, packed))
  const loaded: LoadedWeights | undefined = weights ? undefined : await load()
  const env = envOf(loaded ?? { weights: weights!, products })
  return { model, stepsOver: (caches, count) => cachedSteps(model, env, caches, count), dispose: () => loaded?.dispose() }
}

/** What a model says to sessions; throws UNSUPPORTED for a graph that remembers nothing. */
export const decodableOf = (model: Generator): Decodable => (isTextGraph(model) ? graphDecodable(model) : model)

/** What runs the sessions over a model. */
export const sharedSource = async (model: Generator, options: SessionOptions): Promise<Shared> => ({
  ...(isTextGraph(model) ? await graphSessionSource(model, options) : await stagesSource(model, options)),
  users: 0,
})

/**
 * One text whose cache is kept: it is continued, forked, rewound and saved. Of a graph, what it remembers stays with its runtime from step to step.
 * Throws UNSUPPORTED for a plan that the model cannot have, a graph without past keys and values among these, and BAD_OPTION for one that exceeds its context.
 */
export const openSession = async (model: Generator, options: SessionOptions & Pace = {}): Promise<Session> => {
  const { cache = [], seed = 0 } = options
  const decodable = decodableOf(model)
  checkCompact(cache, decodable.contextLength)
  const caches = openCaches(decodable, cache, { seed })
  return sessionOver(await sharedSource(model, options), caches, [], options)
}
