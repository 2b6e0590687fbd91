import * as tf from '@tensorflow/tfjs-core'
import { loadModel, openCaches, piecesOf, type CachePlan, type Caches, type Weights } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { checkFinite, chosenLogProbabilities } from './log-softmax.js'
import { checkIds, type TokenModel } from './window-batches.js'
import type { Window } from './windows.js'

/** How a text is read through a cache. */
export interface CacheProtocol {
  /** Policies that keep the cache small, asked in order. */
  readonly cache: CachePlan
  /** Tokens at the beginning of a window that are read at once and not scored; half of the longest window where absent. */
  readonly prompt?: number
  /** Tokens that follow at once, behind which the plan is asked again; 16 where absent. */
  readonly step?: number
  /** What policies draw from. */
  readonly seed?: number
}

export interface CachedPerplexity {
  readonly perplexity: number
  readonly tokens: number
  /** What the cache of one window takes in the end, on average. */
  readonly cacheBytes: number
}

/** Windows of one length that go through one cache. */
const ROWS = 8

const whole = (option: string, value: number): void => {
  if (Number.isInteger(value) && value >= 1) return
  throw new CompressionError('BAD_OPTION', `perplexity got ${option} = ${value}.`, 'Pass a whole number of at least 1.', { option, value })
}

/** Groups of windows of equal length, in order. */
const groupsOf = (windows: readonly Window[]): readonly (readonly Window[])[] => {
  const groups: Window[][] = []
  for (const window of windows) {
    const last = groups.at(-1)
    if (last && last.length < ROWS && last[0].length === window.length) last.push(window)
    else groups.push([window])
  }
  return groups
}

/** Reads columns from … to of some windows; the log probabilities of what comes next, (rows · positions), or nothing where they are not asked for. */
const read = async (
  caches: Caches,
  weights: Weights,
  windows: readonly Window[],
  [first, end]: readonly [number, number],
  scores: boolean,
) => {
  const chosen: number[] = []
  for (const { from, to, pause } of piecesOf(caches, end - first)) {
    const result = tf.tidy(() => {
      const ids = (offset: number) => windows.map(window => window.slice(first + from + offset, first + to + offset))
      const logits = caches.forward(tf.tensor2d(ids(0), undefined, 'int32'), { weights }, { last: !scores })
      if (!scores) return tf.scalar(0)
      return chosenLogProbabilities(logits, tf.tensor2d(ids(1).flat(), [windows.length * (to - from), 1], 'int32'))
    })
    const values = await result.data<'float32'>()
    result.dispose()
    if (scores) chosen.push(...values)
    await caches.settle(pause)
  }
  return chosen
}

/**
 * Perplexity of windows that are read through a cache: a prompt, which is not scored, then steps of some tokens, behind each of which the
 * plan is asked. Throws BAD_DATA where no window is longer than the prompt.
 */
export const cachedPerplexity = async (
  model: TokenModel,
  windows: readonly Window[],
  { cache, prompt, step = 16, seed = 0 }: CacheProtocol,
  { signal, onProgress }: { readonly signal?: AbortSignal; readonly onProgress?: (done: number, of: number) => void },
): Promise<CachedPerplexity> => {
  const unscored = prompt ?? Math.floor(windows.reduce((longest, { length }) => Math.max(longest, length), 0) / 2)
  whole('prompt', unscored)
  whole('step', step)
  checkIds(windows, model)
  const long = windows.filter(({ length }) => length > unscored + 1)
  if (long.length === 0)
    throw new CompressionError(
      'BAD_DATA',
      `No window is longer than the prompt of ${unscored} tokens.`,
      'Pass a longer text, or a shorter prompt.',
    )
  const { weights, dispose } = await loadModel(model, signal)
  const sums = { loss: 0, tokens: 0, bytes: 0, done: 0 }
  try {
    for (const group of groupsOf(long)) {
      const caches = openCaches(model, cache, { seed })
      try {
        const last = group[0].length - 1
        for (let from = 0, to = unscored; from < last; from = to, to = Math.min(last, to + step)) {
          signal?.throwIfAborted()
          const chosen = await read(caches, weights, group, [from, to], from > 0)
          sums.loss -= chosen.reduce((sum, value) => sum + value, 0)
          sums.tokens += chosen.length
        }
        sums.bytes += caches.bytes.total
      } finally {
        caches.dispose()
      }
      onProgress?.((sums.done += group.length), long.length)
    }
  } finally {
    dispose()
  }
  checkFinite(sums.loss)
  return { perplexity: Math.exp(sums.loss / sums.tokens), tokens: sums.tokens, cacheBytes: sums.bytes / long.length }
}
