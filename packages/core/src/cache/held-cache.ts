import * as tf from '@tensorflow/tfjs-core'
import { isOnHost } from '@tersor/kernels/tile-products'
import { grown, joinInEngine, joinOnHost } from './append-entries.js'
import { attendHeld } from './attend-held.js'
import { evictedEntries, positionsOf, withPositions, type Kept } from './entries.js'
import { withPages } from './join-pages.js'
import { lastQueries, type LastQueries } from './last-queries.js'
import type { AttentionFacts, Entries, LayerCache } from './layer-cache.js'
import { decodedEntries, lengthsOf, type Page } from './page.js'

/** The cache of one layer: it holds every entry until it is evicted, rewound or disposed. */
export interface HeldCache extends LayerCache {
  readonly facts: AttentionFacts
  /** Tokens that went through the layer. */
  readonly seen: number
  /** Entries of the head that holds most. */
  readonly length: number
  /** Exact entries: rows of one length each, in order; none before the first token. */
  readonly held: readonly Entries[]
  /** Older entries in few bits. */
  readonly pages: readonly Page[]
  /** As `attend`, whatever form entries have. */
  readonly attendAll: NonNullable<LayerCache['attend']>
  /** Puts older entries into one more pages and leaves others exact, which the cache owns from now on. */
  encode(pages: readonly Page[], held: readonly Entries[]): void
  /** All entries in full, in tensors of their own. */
  decoded(): readonly Entries[]
  /** Makes all entries exact; what is given back puts them back as they were, or frees what that took. */
  thaw(): Thawed
  readonly queries: LastQueries
  /** Keeps the entries named, ascending in each row, and frees the others. */
  evict(kept: Kept): void
  /** Renumbers entries so that those of the longest row are 0, 1, 2 … and all rows end alike; keys are turned by what they moved. */
  compact(frequencies: Float32Array | undefined): void
  /** Gives all entries away, to be held in another form until `replace`; the caller owns them. What is held counts on. */
  giveAway(): readonly Entries[]
  /** One more token went by while the entries were given away. */
  advance(): void
  /** Puts other entries in the place of those held or given away; the cache owns them from now on. */
  replace(entries: readonly Entries[], at?: Progress): void
  /** Forgets the tokens behind the first `to` seen, and nothing else: whether entries before were evicted since, the caller knows. */
  rewind(to: number): void
  /** The same entries in a cache of its own; tensors are shared. */
  fork(): HeldCache
  dispose(): void
}

/** Entries in few bits that were made exact, to be put back where nothing was changed, or dropped. */
export interface Thawed {
  restore(): void
  drop(): void
}

/** How far a layer came. */
export interface Progress {
  readonly seen: number
  readonly next: number
}

const disposeEntries = (entries: readonly Entries[]): void => entries.forEach(({ keys, values }) => tf.dispose([keys, values]))

interface State extends Progress {
  readonly held: readonly Entries[]
  readonly pages?: readonly Page[]
  readonly queries: LastQueries
}

const shared = (held: readonly Entries[]): readonly Entries[] =>
  held.map(entries => ({ ...entries, keys: tf.keep(tf.clone(entries.keys)), values: tf.keep(tf.clone(entries.values)) }))

/** Places of the positions before a limit; they ascend. */
const placesBelow = (positions: Int32Array, limit: number): Int32Array =>
  Int32Array.from(positions.filter(position => position < limit), (_, i) => i) // prettier-ignore

/** The entries before a position; none at 0. */
const entriesBefore = (held: readonly Entries[], limit: number): readonly Entries[] =>
  limit === 0 ? [] : evictedEntries(held, held.flatMap(entries => positionsOf(entries).map(list => placesBelow(list, limit)))) // prettier-ignore

/** What a layer holds, and how far it came. */
interface LayerState {
  seen: number
  next: number
  pages: readonly Page[]
  held: readonly Entries[]
  /** How many entries are held elsewhere; undefined while they are here. */
  away: number | undefined
}

/** Puts other entries in the place of those held, which go. */
const hold = (state: LayerState, entries: readonly Entries[]): void => {
  const before = state.held
  state.held = entries
  disposeEntries(before)
}

/** Makes all entries exact, as long as they stay so. */
const thawed = (state: LayerState): Thawed => {
  const entries = decodedEntries(state.pages, state.held)
  const { pages, held } = state
  state.pages = []
  state.held = entries
  return {
    restore: () => {
      hold(state, held)
      state.pages = pages
    },
    drop: () => disposeEntries(held),
  }
}

const append = (state: LayerState, keys: tf.Tensor, values: tf.Tensor, join = joinInEngine): readonly Entries[] => {
  tf.tidy(() => hold(state, grown(state.held, keys, values, state.next, join)))
  state.seen += keys.shape[2]!
  state.next += keys.shape[2]!
  return state.held
}

/** Attention over pages and counted entries; plain entries are left to the network. */
const attending = (state: LayerState, { window = null, cap: own = null }: AttentionFacts): NonNullable<LayerCache['attend']> => {
  return (queries, keys, values, cap) => {
    const first = state.next
    append(state, keys, values, state.pages.length > 0 && keys.shape[2] === 1 && isOnHost() ? joinOnHost : joinInEngine)
    const positions = Int32Array.from({ length: keys.shape[2]! }, (_, i) => first + i)
    return attendHeld(queries as tf.Tensor3D, { pages: state.pages, held: state.held, queries: positions, window }, cap ?? own)
  }
}

const rewind = (state: LayerState, to: number): void => {
  state.next -= state.seen - to
  state.seen = to
  if (to === 0) state.pages = []
  hold(state, entriesBefore(state.held, to === 0 ? 0 : state.next))
}

const lengthOf = ({ away, pages, held }: LayerState): number => away ?? Math.max(0, ...lengthsOf(pages, held))

/** Leaves no exact entries, and gives them away. */
const giveAway = (state: LayerState): readonly Entries[] => {
  const given = state.held
  Object.assign(state, { away: lengthOf(state), held: [] })
  return given
}

const advance = (state: LayerState): void => {
  state.seen++
  state.next++
  if (state.away !== undefined) state.away++
}

/** A cache that begins empty, or where another one is. */
export const heldCache = (facts: AttentionFacts, begin: State = { held: [], seen: 0, next: 0, queries: lastQueries() }): HeldCache => {
  const { queries, held, pages = [], seen, next } = begin
  const state: LayerState = { seen, next, pages, held, away: undefined }
  const attend = attending(state, facts)
  return {
    ...{ facts, queries, attendAll: attend },
    get seen() {
      return state.seen
    },
    get next() {
      return state.next
    },
    get length() {
      return lengthOf(state)
    },
    get held() {
      return state.held
    },
    get pages() {
      return state.pages
    },
    get attend() {
      return state.pages.length > 0 || state.held.some(({ counts }) => counts) ? attend : undefined
    },
    encode: (more, rest) => {
      state.pages = withPages(state.pages, more)
      hold(state, rest)
    },
    decoded: () => decodedEntries(state.pages, state.held),
    thaw: () => thawed(state),
    observe: fresh => queries.add(fresh, state.next),
    append: (newKeys, newValues) => append(state, newKeys, newValues),
    evict: kept => hold(state, evictedEntries(state.held, kept)),
    compact: frequencies => {
      state.next = lengthOf(state)
      hold(state, state.held.map(entries => withPositions(entries, state.next, frequencies))) // prettier-ignore
      queries.forget()
    },
    giveAway: () => giveAway(state),
    advance: () => advance(state),
    replace: (entries, at = state) => {
      hold(state, entries)
      Object.assign(state, { away: undefined, seen: at.seen, next: at.next })
    },
    rewind: to => {
      if (to >= state.seen) return
      rewind(state, to)
      queries.forget()
    },
    fork: () => heldCache(facts, { ...state, held: shared(state.held), queries: queries.fork() }),
    dispose: () => {
      state.pages = []
      hold(state, [])
      queries.forget()
    },
  }
}
