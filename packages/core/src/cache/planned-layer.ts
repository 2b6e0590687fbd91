import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { Made } from '../step/options.js'
import { flat, packedPositions, positionsOf, spansOf, type Kept } from './entries.js'
import { countsOf, lastOf, momentsOf, queriesOfRows, sharesOf, sumsOfShares } from './features.js'
import type { HeldCache } from './held-cache.js'
import type { Queries } from './last-queries.js'
import type { AttentionFacts, Entries, LayerView } from './layer-cache.js'
import type { AskedStep, CachePolicy, CacheRewrite, CacheView, EntriesView, Features, Rewritten } from './policy.js'
import type { Rng } from '../run/rng.js'

/** Sums of shares of each entry, and how many queries saw it, row by row. */
export interface Sums {
  readonly sums: readonly Float32Array[]
  readonly counts: readonly Float32Array[]
}

/** What policies are told besides when they are asked. */
export interface Asking {
  readonly batch: number
  readonly layer: LayerView
  readonly rng: Rng
}

const NONE: Sums = { sums: [], counts: [] }

/** A list with room behind it. */
const padded = (list: Float32Array | undefined, length: number): Float32Array => {
  const longer = new Float32Array(length)
  if (list) longer.set(list)
  return longer
}

/** The sums so far with those of some queries added, for the entries that are held now. */
export const addedSums = async (before: Sums, { held, facts }: HeldCache, queries: Queries | undefined): Promise<Sums> => {
  const sums: Float32Array[] = []
  const counts: Float32Array[] = []
  for (const [i, [from, to]] of spansOf(held).entries()) {
    const width = held[i].keys.shape[1]!
    const added = queries ? await sumsOfShares(queries, [from, to], held[i], facts) : new Float32Array((to - from) * width)
    const seen = queries ? countsOf(queries.positions, held[i], facts) : new Float32Array((to - from) * width)
    for (let row = from; row < to; row++) {
      const at = (row - from) * width
      sums.push(padded(before.sums[row], width).map((value, j) => value + added[at + j]))
      counts.push(padded(before.counts[row], width).map((value, j) => value + seen[at + j]))
    }
  }
  return { sums, counts }
}

/** The sums of the entries that stay. */
export const keptSums = ({ sums, counts }: Sums, kept: Kept): Sums => {
  const only = (lists: readonly Float32Array[]) =>
    lists.length === 0 ? [] : kept.map((places, row) => Float32Array.from(places, place => lists[row][place]))
  return { sums: only(sums), counts: only(counts) }
}

const noQueries = (policy: Made): CompressionError =>
  new CompressionError(
    'UNSUPPORTED',
    `The policy ${policy.name} needs queries, and none were kept since the last moment.`,
    'Ask it after tokens went through the network, with a cache that was opened with it in its plan.',
    { policy: policy.name },
  )

type Hold = <T extends tf.Tensor>(tensor: T) => T

/** The features that a policy names of some rows; inside a tidy, whose end `hold` lets tensors outlive. */
const featuresOf = (policy: AskedStep, rows: Queries, entries: Entries, facts: AttentionFacts, hold: Hold): Partial<Features> => {
  const needs = policy.needs as Partial<Record<keyof Features, number>>
  const last = (count: number): Queries => lastOf(rows, count)
  return {
    ...(needs.queries === undefined ? {} : { queries: hold(last(needs.queries).values) }),
    ...(needs.lastShares === undefined ? {} : { lastShares: hold(sharesOf(last(needs.lastShares), entries, facts)) }),
    ...(needs.queryMoments === undefined ? {} : { queryMoments: momentsOf(last(needs.queryMoments), facts, policy.name, hold) }),
  }
}

const OF_QUERIES: readonly (keyof Features)[] = ['queries', 'lastShares', 'queryMoments']

/** What a policy sees of a layer; its tensors are freed by `dispose`. */
const viewOf = (policy: AskedStep, cache: HeldCache, { sums, counts }: Sums, asking: Asking) => {
  const { held, facts } = cache
  const queries = cache.queries.value
  if (!queries && OF_QUERIES.some(name => name in policy.needs)) throw noQueries(policy)
  const made: tf.Tensor[] = []
  const hold: Hold = tensor => {
    made.push(tf.keep(tensor))
    return tensor
  }
  const parts: (EntriesView & Partial<Features>)[] = []
  tf.tidy(() => {
    spansOf(held).forEach(([from, to], i) => {
      const { keys, values, counts: merged } = held[i]
      const features = queries ? featuresOf(policy, queriesOfRows(queries, from, to), held[i], facts, hold) : {}
      const shares = 'shares' in policy.needs ? { shares: { sums: flat(sums.slice(from, to)), counts: flat(counts.slice(from, to)) } } : {}
      parts.push({ keys, values, positions: positionsOf(held[i]), ...(merged && { counts: merged }), ...features, ...shares })
    })
  })
  const view = { parts, seen: cache.seen, next: cache.next, ...asking } as CacheView<keyof Features>
  return { view, dispose: () => tf.dispose(made) }
}

const badPlaces = (policy: Made, what: string): CompressionError =>
  new CompressionError(
    'BAD_DATA',
    `The policy ${policy.name} ${what}.`,
    'It must give, for each row, places of entries that are held, ascending, each once, and one at least.',
    { policy: policy.name },
  )

/** Refuses what are no places of entries; true where all of them stay. */
const keepsAll = (policy: Made, kept: Kept, held: readonly Entries[]): boolean => {
  const lengths = held.flatMap(({ keys }) => new Array<number>(keys.shape[0]).fill(keys.shape[1]!))
  if (kept.length !== lengths.length) throw badPlaces(policy, `gives ${kept.length} lists for ${lengths.length} rows`)
  kept.forEach((places, row) => {
    if (places.length === 0) throw badPlaces(policy, `keeps nothing of row ${row}`)
    if (places.length > lengths[row]) throw badPlaces(policy, `keeps ${places.length} entries of the ${lengths[row]} in row ${row}`)
    places.forEach((place, i) => {
      const isIn = Number.isInteger(place) && place >= 0 && place < lengths[row]
      if (!isIn) throw badPlaces(policy, `keeps entry ${place} of row ${row}, which holds ${lengths[row]}`)
      if (i > 0 && place <= places[i - 1]) throw badPlaces(policy, `keeps entry ${place} of row ${row} behind ${places[i - 1]}`)
    })
  })
  return kept.every((places, row) => places.length === lengths[row])
}

/** What becomes of some rows, as the cache holds it, and the places of what stays. */
const rewrittenPart = async (
  rewrite: CacheRewrite & Made,
  part: CacheView<keyof Features>['parts'][number],
  view: CacheView<keyof Features>,
): Promise<readonly [Entries, Kept] | undefined> => {
  const made: Rewritten | 'all' = await rewrite.rewrite(part, view)
  if (made === 'all') return undefined
  const { kept, keys, values, counts } = made
  const positions = kept.map((places, row) => places.map(place => part.positions[row][place]))
  return [{ keys, values, ...packedPositions(positions), counts }, kept]
}

/** A copy of entries that stay as they are. */
const copied = (entries: Entries): Entries => ({
  ...entries,
  keys: tf.keep(tf.clone(entries.keys)),
  values: tf.keep(tf.clone(entries.values)),
})

/** Asks one rewrite of one layer; the sums that are left, or undefined where nothing was changed. */
const askRewrite = async (rewrite: CacheRewrite & Made, cache: HeldCache, sums: Sums, asking: Asking): Promise<Sums | undefined> => {
  const { view, dispose } = viewOf(rewrite, cache, sums, asking)
  const made: Entries[] = []
  const kept: Int32Array[] = []
  let changes = false
  try {
    for (const [i, part] of view.parts.entries()) {
      const changed = await rewrittenPart(rewrite, part, view)
      if (changed) changes = true
      made.push(changed ? changed[0] : copied(cache.held[i]))
      kept.push(...(changed?.[1] ?? part.positions.map(list => Int32Array.from(list, (_, place) => place))))
    }
    if (changes) keepsAll(rewrite, kept, cache.held)
  } catch (error) {
    made.forEach(({ keys, values }) => tf.dispose([keys, values]))
    throw error
  } finally {
    dispose()
  }
  if (!changes) {
    made.forEach(({ keys, values }) => tf.dispose([keys, values]))
    return undefined
  }
  cache.replace(made)
  return keptSums(sums, kept)
}

/** Asks one step of one layer and takes what it lets go; the sums that are left, or undefined where nothing was changed. */
export const askStep = async (step: AskedStep, cache: HeldCache, sums: Sums = NONE, asking: Asking): Promise<Sums | undefined> => {
  if (step.kind === 'rewrite') return askRewrite(step, cache, sums, asking)
  const policy: CachePolicy & Made = step
  const { view, dispose } = viewOf(policy, cache, sums, asking)
  try {
    const kept = await policy.keep(view)
    if (kept === 'all' || keepsAll(policy, kept, cache.held)) return undefined
    cache.evict(kept)
    return keptSums(sums, kept)
  } finally {
    dispose()
  }
}
