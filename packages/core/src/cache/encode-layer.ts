import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { Made } from '../step/options.js'
import { leavingOf, type CacheEncoding, type EncodedPart, type EncodingFeatures, type EncodingView, type Leaving } from './encoding.js'
import { countsOfRows, evictedEntries, flat, packedPositions, positionsOf, spansOf, type Kept } from './entries.js'
import { countsOf, lastOf, queriesOfRows, sumsOfShares } from './features.js'
import type { HeldCache } from './held-cache.js'
import type { Queries } from './last-queries.js'
import type { Entries } from './layer-cache.js'
import { lengthsOf, type Page } from './page.js'
import type { Sums } from './planned-layer.js'

/** The queries at some places. */
const queriesAt = ({ values, positions }: Queries, places: Int32Array): Queries => ({
  values: tf.gather(values, tf.tensor1d(places, 'int32'), 2),
  positions: places.map(place => positions[place]),
})

/** Shares of all entries of a layer, row by row, of some queries. */
const sharesByRow = async (cache: HeldCache, entries: readonly Entries[], places: Int32Array) => {
  const chosen = Int32Array.from(places).sort()
  const { value: all } = cache.queries
  const queries = tf.tidy(() => {
    const { values, positions } = queriesAt(all!, chosen)
    return { values: tf.keep(values), positions }
  })
  const [sums, counts]: Float32Array[][] = [[], []]
  try {
    for (const [i, [from, to]] of spansOf(entries).entries()) {
      const width = entries[i].keys.shape[1]!
      const [sum, count] = [
        await sumsOfShares(queries, [from, to], entries[i], cache.facts),
        countsOf(queries.positions, entries[i], cache.facts),
      ]
      for (let row = 0; row < to - from; row++) {
        sums.push(sum.subarray(row * width, (row + 1) * width))
        counts.push(count.subarray(row * width, (row + 1) * width))
      }
    }
  } finally {
    queries.values.dispose()
  }
  return { sums, counts }
}

/** Rows of a layer that give equally many entries away. */
interface Giving {
  readonly from: number
  readonly to: number
  /** How many of the first that are exact. */
  readonly count: number
  readonly entries: Entries
}

const partRefusal = (encoding: Made, what: string): CompressionError =>
  new CompressionError(
    'BAD_DATA',
    `The encoding ${encoding.name} ${what}.`,
    'It must give trees of (rows, entries, size), each entry in one of them, equally many of each row.',
    { encoding: encoding.name },
  )

/** Refuses parts that are not all of the entries. */
const checkParts = (encoding: Made, parts: readonly EncodedPart[], { from, to, count }: Giving, size: number): void => {
  const seen = Array.from({ length: to - from }, () => new Uint8Array(count))
  for (const { keys, values, places } of parts) {
    const width = places ? (places[0]?.length ?? 0) : count
    for (const tree of [keys, values])
      if (String(tree.shape) !== String([to - from, width, size]))
        throw partRefusal(encoding, `gives a tree of [${tree.shape}] for [${[to - from, width, size]}]`)
    seen.forEach((row, i) => (places?.[i] ?? Int32Array.from(row, (_, place) => place)).forEach(place => place < count && row[place]++))
  }
  const isWhole = seen.every(row => row.every(times => times === 1))
  if (!isWhole) throw partRefusal(encoding, 'leaves entries out, or gives some twice')
}

/** What an encoding sees of the entries that leave; its tensors are freed by `dispose`. */
const leavingFrom = (
  { needs }: CacheEncoding,
  cache: HeldCache,
  { sums, counts }: Sums,
  giving: Giving,
  all: () => readonly Entries[],
): { readonly leaving: Leaving & Partial<EncodingFeatures>; readonly dispose: () => void } => {
  const { from, to, count, entries } = giving
  const exact = entries.keys.shape[1]!
  const places = lengthsOf(cache.pages, cache.held)
    .slice(from, to)
    .map(length => length - exact) // behind those in pages
  const ofLeaving = (lists: readonly Float32Array[]): Float32Array =>
    flat(places.map((begin, i) => lists[from + i].slice(begin, begin + count)))
  const cut = (x: tf.Tensor): tf.Tensor3D => tf.keep(tf.slice(x as tf.Tensor3D, [0, 0, 0], [-1, count, -1]))
  const wanted = needs as Partial<Record<keyof EncodingFeatures, number>>
  const { value } = cache.queries
  const [keys, values] = tf.tidy(() => [cut(entries.keys), cut(entries.values)])
  const queries =
    value && wanted.queries !== undefined
      ? tf.tidy(() => tf.keep(tf.clone(lastOf(queriesOfRows(value, from, to), wanted.queries!).values)))
      : undefined
  const leaving: Leaving & Partial<EncodingFeatures> = {
    ...{ keys, values, positions: positionsOf(entries).map(list => list.slice(0, count)) },
    ...(queries && { queries }),
    ...('shares' in wanted ? { shares: { sums: ofLeaving(sums), counts: ofLeaving(counts) } } : {}),
    sharesOf: async chosen => {
      const shares = await sharesByRow(cache, all(), chosen)
      return { sums: ofLeaving(shares.sums), counts: ofLeaving(shares.counts) }
    },
  }
  return { leaving, dispose: () => tf.dispose(queries ? [keys, values, queries] : [keys, values]) }
}

const pagesOf = (parts: readonly EncodedPart[], { positions }: Leaving, { from, to, count, entries }: Giving): readonly Page[] => {
  const counts = countsOfRows(entries)
  return parts
    .filter(({ keys }) => keys.shape[1] > 0)
    .map(({ keys, values, places }) => {
      const lists = positions.map((list, row) => (places ? places[row].map(place => list[place]) : list))
      const merged = counts?.map((list, row) => (places ? Float32Array.from(places[row], place => list[place]) : list.slice(0, count)))
      const packed = packedPositions(lists).positions ?? lists[0].slice()
      return { from, to, keys, values, positions: packed, ...(merged && { counts: flat(merged) }) }
    })
}

/** Encodes the entries of one layer that are old enough; the layer is as before where that fails. */
export const encodeLayer = async (encoding: CacheEncoding & Made, cache: HeldCache, sums: Sums, view: EncodingView): Promise<void> => {
  const { held } = cache
  const counts = held.map(({ keys }) => leavingOf(keys.shape[1]!, encoding))
  if (counts.every(count => count === 0)) return
  let whole: readonly Entries[] | undefined
  const all = (): readonly Entries[] => (whole ??= cache.decoded())
  const pages: Page[] = []
  try {
    for (const [i, [from, to]] of spansOf(held).entries()) {
      const giving = { from, to, count: counts[i], entries: held[i] }
      if (counts[i] === 0) continue
      const { leaving, dispose } = leavingFrom(encoding, cache, sums, giving, all)
      try {
        const parts = await encoding.encode(leaving, view)
        checkParts(encoding, parts, giving, leaving.keys.shape[2])
        pages.push(...pagesOf(parts, leaving, giving))
      } finally {
        dispose()
      }
    }
  } finally {
    whole?.forEach(({ keys, values }) => tf.dispose([keys, values]))
  }
  const staying: Kept = held.flatMap(({ keys }, i) => {
    const [rows, width] = keys.shape as [number, number, number]
    const list = Int32Array.from({ length: width - counts[i] }, (_, place) => counts[i] + place)
    return new Array<Int32Array>(rows).fill(list)
  })
  cache.encode(pages, evictedEntries(held, staying))
}
