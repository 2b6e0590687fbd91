import type { HeldCache } from './held-cache.js'
import { bytesOfTrees } from './page.js'
import type { Sums } from './planned-layer.js'

/** Bytes of what one layer holds. */
export interface LayerBytes {
  /** Keys and values in full. */
  readonly exact: number
  /** Codes of those in few bits, and scales, factors and what else their trees have in floats. */
  readonly codes: number
  readonly scales: number
  /** Positions of entries that are not their places, and of how many they were merged. */
  readonly indices: number
  /** What policies remember of entries, and queries that they are to see. */
  readonly features: number
}

export interface CacheBytes {
  readonly total: number
  /** Of the layers with attention, in order. */
  readonly layers: readonly LayerBytes[]
}

const bytesOf = ({ held, pages, queries }: HeldCache, { sums, counts }: Sums): LayerBytes => {
  const { codes, scales } = bytesOfTrees(pages.flatMap(({ keys, values }) => [keys, values]))
  const places = [
    ...held.flatMap(({ positions, counts: merged }) => [positions, merged]),
    ...pages.flatMap(({ positions, counts: merged }) => [positions, merged]),
  ]
  return {
    exact: held.reduce((sum, { keys }) => sum + 2 * 4 * keys.size, 0),
    ...{ codes, scales },
    indices: places.reduce((sum, list) => sum + (list?.byteLength ?? 0), 0),
    features: [...sums, ...counts].reduce((sum, list) => sum + list.byteLength, 0) + 4 * (queries.value?.values.size ?? 0),
  }
}

/** Bytes of all layers. */
export const bytesOfLayers = (layers: readonly HeldCache[], sums: readonly Sums[]): CacheBytes => {
  const each = layers.map((layer, i) => bytesOf(layer, sums[i]))
  const totals = each.flatMap(layer => Object.values<number>({ ...layer }))
  return { total: totals.reduce((sum, part) => sum + part, 0), layers: each }
}
