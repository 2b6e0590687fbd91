import * as tf from '@tensorflow/tfjs-core'
import { evictedEntries, positionsOf, withPositions, type Kept } from './entries.js'
import type { AttentionFacts, Entries, LayerCache } from './layer-cache.js'

/** The cache of one layer: it holds every entry until it is evicted, rewound or disposed. */
export interface HeldCache extends LayerCache {
  readonly facts: AttentionFacts
  /** Tokens that went through the layer. */
  readonly seen: number
  /** Entries of the head that holds most. */
  readonly length: number
  /** Rows of one length each, in order; none before the first token. */
  readonly held: readonly Entries[]
  /** The last queries that were asked to be kept, (rows, groups, queries, size), and their positions. */
  readonly queries: Queries | undefined
  /** How many of the last queries are kept from now on; 0 forgets them. */
  keepQueries(count: number): void
  forgetQueries(): void
  /** Keeps the entries named, ascending in each row, and frees the others. */
  evict(kept: Kept): void
  /** Renumbers entries so that those of the longest row are 0, 1, 2 … and all rows end alike; keys are turned by what they moved. */
  compact(frequencies: Float32Array | undefined): void
  /** Whether queries are kept. */
  readonly watching: boolean
  /** Gives all entries away, to be held in another form until `replace`; the caller owns them. What is held counts on. */
  lend(): readonly Entries[]
  /** One more token went by while the entries were lent. */
  advance(): void
  /** Puts other entries in the place of those held or lent; the cache owns them from now on. */
  replace(entries: readonly Entries[], at?: Progress): void
  /** Forgets the tokens behind the first `to` seen, and nothing else: whether entries before were evicted since, the caller knows. */
  rewind(to: number): void
  /** The same entries in a cache of its own; tensors are shared. */
  fork(): HeldCache
  dispose(): void
}

export interface Queries {
  readonly values: tf.Tensor4D
  readonly positions: Int32Array
}

/** How far a layer came. */
export interface Progress {
  readonly seen: number
  readonly next: number
}

/** Rows `from` to `to` of a tensor; the tensor itself where those are all. */
const rowsOf = (x: tf.Tensor, from: number, count: number): tf.Tensor =>
  from === 0 && count === x.shape[0] ? x : tf.slice(x, [from, 0, 0], [count, -1, -1])

const disposeEntries = (entries: readonly Entries[]): void => entries.forEach(({ keys, values }) => tf.dispose([keys, values]))

/** Entries with those of some more positions behind; keys and values (rows, tokens, size). */
const appended = ({ keys, values, positions }: Entries, newKeys: tf.Tensor, newValues: tf.Tensor, next: number): Entries => {
  const [rows, held] = keys.shape
  const tokens = newKeys.shape[1]!
  const grown = { keys: tf.keep(tf.concat([keys, newKeys], 1)), values: tf.keep(tf.concat([values, newValues], 1)) }
  if (!positions) return grown
  const lists = positions.length === held ? 1 : rows
  const all = new Int32Array(lists * (held + tokens))
  for (let list = 0; list < lists; list++) {
    all.set(positions.subarray(list * held, (list + 1) * held), list * (held + tokens))
    for (let i = 0; i < tokens; i++) all[list * (held + tokens) + held + i] = next + i
  }
  return { ...grown, positions: all }
}

/** The last queries of those kept and new ones. */
const lastQueries = (kept: Queries | undefined, fresh: tf.Tensor, next: number, count: number): Queries => {
  const tokens = fresh.shape[2]!
  const positions = Int32Array.from([...(kept?.positions ?? []), ...Array.from({ length: tokens }, (_, i) => next + i)])
  const from = Math.max(0, positions.length - count)
  const values = tf.tidy(() =>
    tf.slice(kept ? tf.concat([kept.values, fresh], 2) : fresh, [0, 0, from, 0], [-1, -1, -1, -1]),
  ) as tf.Tensor4D
  return { values: tf.keep(values), positions: positions.slice(from) }
}

interface State extends Progress {
  readonly held: readonly Entries[]
  readonly queries?: Queries | undefined
}

/** A cache that begins empty, or where another one is. */
export const heldCache = (facts: AttentionFacts, begin: State = { held: [], seen: 0, next: 0 }): HeldCache => {
  let { held, seen, next, queries } = begin
  let wanted = 0
  /** Entries that are lent; undefined while they are here. */
  let away: number | undefined
  const hold = (entries: readonly Entries[]): void => {
    const before = held
    held = entries
    disposeEntries(before)
  }
  const forgetQueries = (): void => {
    queries?.values.dispose()
    queries = undefined
  }
  const grow = (keys: tf.Tensor, values: tf.Tensor): void => {
    const [batch, heads, tokens, size] = keys.shape as [number, number, number, number]
    const [newKeys, newValues] = [keys, values].map(t => tf.reshape(t, [batch * heads, tokens, size])) // (rows, tokens, size)
    let from = 0
    const grown = held.map(entries => {
      const count = entries.keys.shape[0]
      const [k, v] = [newKeys, newValues].map(t => rowsOf(t, from, count))
      from += count
      return appended(entries, k, v, next)
    })
    hold(held.length > 0 ? grown : [{ keys: tf.keep(tf.clone(newKeys)), values: tf.keep(tf.clone(newValues)) }])
    seen += tokens
    next += tokens
  }
  const cache: HeldCache = {
    facts,
    append: (keys, values) => {
      tf.tidy(() => grow(keys, values))
      return held
    },
    observe: fresh => {
      if (wanted === 0) return
      const before = queries
      queries = lastQueries(before, fresh, next, wanted)
      before?.values.dispose()
    },
    get seen() {
      return seen
    },
    get next() {
      return next
    },
    get length() {
      return away ?? Math.max(0, ...held.map(({ keys }) => keys.shape[1]!))
    },
    get held() {
      return held
    },
    get queries() {
      return queries
    },
    keepQueries: count => {
      wanted = count
      if (count === 0) forgetQueries()
    },
    forgetQueries,
    evict: kept => hold(evictedEntries(held, kept)),
    compact: frequencies => {
      const longest = cache.length
      hold(held.map(entries => withPositions(entries, longest, frequencies)))
      next = longest
      forgetQueries()
    },
    get watching() {
      return wanted > 0
    },
    lend: () => {
      away = cache.length
      const lent = held
      held = []
      return lent
    },
    advance: () => {
      seen++
      next++
      away = away === undefined ? undefined : away + 1
    },
    replace: (entries, at = { seen, next }) => {
      hold(entries)
      away = undefined
      ;({ seen, next } = at)
    },
    rewind: to => {
      if (to >= seen) return
      next -= seen - to
      seen = to
      hold(
        to === 0
          ? []
          : evictedEntries(
              held,
              held.flatMap(entries => positionsOf(entries).map(list => indicesBelow(list, next))),
            ),
      )
      forgetQueries()
    },
    fork: () => {
      const shared = held.map(entries => ({ ...entries, keys: tf.keep(tf.clone(entries.keys)), values: tf.keep(tf.clone(entries.values)) }))
      const same = queries && { ...queries, values: tf.keep(tf.clone(queries.values)) }
      const other = heldCache(facts, { held: shared, seen, next, queries: same })
      other.keepQueries(wanted)
      return other
    },
    dispose: () => {
      hold([])
      forgetQueries()
    },
  }
  return cache
}

/** Places of the positions before a limit; they ascend. */
const indicesBelow = (positions: Int32Array, limit: number): Int32Array =>
  Int32Array.from(
    positions.filter(position => position < limit),
    (_, i) => i,
  )
