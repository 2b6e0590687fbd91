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
import { cachedSteps } from './token-steps.js'
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
}

/** One text and what the network remembers of it. */
export interface Session {
  /** Every token that went through the network. */
  readonly ids: readonly number[]
  readonly model: LanguageModel
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

const checkIds = (ids: readonly number[], { vocabularySize }: LanguageModel): void => {
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
const checkContext = (caches: Caches, more: number, { contextLength }: LanguageModel): void => {
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
  for (const step of plan) {
    if (step.kind !== 'policy') continue
    const { name, when, positions } = step
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

/** Weights that go when the last session over them does. */
interface Shared {
  readonly env: Env
  readonly loaded: LoadedWeights | undefined
  users: number
}

export const sessionOver = (model: LanguageModel, shared: Shared, caches: Caches, begin: readonly number[], how: Pace = {}): Session => {
  const { count = MANY, repeats = true } = how
  const ids = [...begin]
  const steps = cachedSteps(model, shared.env, caches, count)
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
      return sessionOver(model, shared, caches.fork(), ids, how)
    },
    dispose: () => {
      if (!isOpen) return
      isOpen = false
      steps.dispose()
      caches.dispose()
      if (--shared.users === 0) shared.loaded?.dispose()
    },
  }
}

/** What stages need of weights. */
export const envOf = ({ weights, products }: { readonly weights: Weights; readonly products?: Products | undefined }): Env =>
  products ? { weights, products } : { weights }

/** The weights of a model, loaded where the caller has not. */
export const sharedWeights = async (model: LanguageModel, options: SessionOptions): Promise<Shared> => {
  const { weights, products, form = 'packed', activations, signal } = options
  if (weights) return { env: envOf({ weights, products }), loaded: undefined, users: 0 }
  const packed = { ...(signal && { signal }), ...(activations && { activations }) }
  const loaded = form === 'dense' ? await loadModel(model, signal) : await loadPacked(model, packed)
  return { env: envOf(loaded), loaded, users: 0 }
}

/**
 * One text whose cache is kept: it is continued, forked, rewound and saved.
 * Throws UNSUPPORTED for a plan that the model cannot have, BAD_OPTION for one that exceeds its context.
 */
export const openSession = async (model: LanguageModel, options: SessionOptions & Pace = {}): Promise<Session> => {
  const { cache = [], seed = 0 } = options
  checkCompact(cache, model.contextLength)
  const caches = openCaches(model, cache, { seed })
  return sessionOver(model, await sharedWeights(model, options), caches, [], options)
}
