import { isCompact, openCaches, type CacheBytes, type CachePlan, type Caches } from '@tersor/core'
import { repeatably } from '@tersor/kernels'
import { CompressionError, type Dense } from '@tersor/tensor'
import type { Generator } from './generator.js'
import { decodableOf, sharedSource } from './session-source.js'
import type { Decodable, SessionOptions, SessionSource, Shared } from './session-options.js'
import type { CachedSteps } from './token-steps.js'

export type { Decodable, SessionOptions }

/** Keys and values as a graph keeps them. */
export interface SessionCodes {
  readonly bits: 8 | 4
  /** By name; none before there were tokens enough to see ranges. */
  readonly scales: Readonly<Record<string, Dense>>
}

/** One text and what the network remembers of it. */
export interface Session {
  /** Every token that went through the network. */
  readonly ids: readonly number[]
  readonly model: Decodable
  /** What is held, all of it here: a recorded step gives its entries back. */
  readonly caches: Caches
  /** Of what it keeps from step to step; codes of a graph count as codes. */
  readonly bytes: CacheBytes
  /** In how many bits a graph keeps keys and values, and by which scales; `caches` gives them in full. */
  readonly codes?: SessionCodes
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
export const MANY = 64

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

/** What a session says of codes, where there are any. */
const codesOf = ({ bits }: SessionSource, steps: CachedSteps): Pick<Session, 'codes'> =>
  bits ? { codes: { bits, get scales() { return steps.kept ?? {} } } } : {} // prettier-ignore

/** What keys and values take as codes with their scales. */
const codedBytes = (bytes: CacheBytes, { bits }: SessionSource, { kept = {} }: CachedSteps): CacheBytes => {
  const scales = Object.values(kept).reduce((sum, { bytes: own }) => sum + own.byteLength, 0)
  if (!bits || scales === 0) return bytes
  const layers = bytes.layers.map(layer => ({ ...layer, exact: (layer.exact * bits) / 32 + scales / bytes.layers.length }))
  return { total: layers.reduce((sum, { exact, indices, features }) => sum + exact + indices + features, 0), layers }
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
    ...codesOf(shared, steps),
    get caches() {
      steps.release()
      return caches
    },
    get bytes() {
      steps.release()
      return codedBytes(caches.bytes, shared, steps)
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
