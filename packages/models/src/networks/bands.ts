import * as tf from '@tensorflow/tfjs-core'
import type { Entries } from '@tersor/core'
import { hiddenOf, HIDDEN_FROM_SIGHT } from '@tersor/core/hidden'

/** Some queries, one behind the other, and the keys that any of them sees; nothing is computed of the others. */
export interface Band {
  readonly queries: Range
  readonly keys: Range
  /** Added to the scores (batch · key heads, groups, queries, keys) of the band; undefined where everything in it is seen. */
  hidden(): tf.Tensor | undefined
}

export interface Range {
  readonly from: number
  readonly to: number
}

/** Queries of a band at least, and bands at most where they are small: nearly half of all scores are never computed. */
const QUERIES = 64
const BANDS = 8
/** Scores of a band and a head at most, of more queries than QUERIES: the memory of a long prompt grows with its length, not with its square. */
const SCORES = 2 ** 20
/** Masks of so many numbers in all are kept from layer to layer, and shares for gradients; those of longer texts are made again. */
const KEPT = 2 ** 22

/** Whether scores of so many queries and keys are too many to keep. */
export const isLong = (queries: number, keys: number): boolean => queries * keys > KEPT

const heightOf = (tokens: number, keys: number, window: number | null): number => {
  const height = Math.ceil(tokens / BANDS)
  const seen = window === null ? keys : Math.min(keys, window + height)
  return Math.max(QUERIES, Math.min(height, Math.floor(SCORES / seen)))
}

/** The mask of a band: query i stands at key past + i and must not see later keys, nor those `window` or more before it. */
const hiddenIn = (queries: Range, keys: Range, past: number, window: number | null): Float32Array | undefined => {
  const width = keys.to - keys.from
  const values = new Float32Array((queries.to - queries.from) * width)
  for (let i = queries.from; i < queries.to; i++) {
    const row = (i - queries.from) * width
    const first = window === null ? 0 : past + i + 1 - window
    values.fill(HIDDEN_FROM_SIGHT, row, row + Math.max(0, first - keys.from))
    values.fill(HIDDEN_FROM_SIGHT, row + past + i + 1 - keys.from, row + width)
  }
  return values.some(value => value !== 0) ? values : undefined
}

const causalBand = (queries: Range, past: number, window: number | null): Band => {
  const keys = { from: window === null ? 0 : Math.max(0, past + queries.from + 1 - window), to: past + queries.to }
  const made = () => hiddenIn(queries, keys, past, window)
  const kept = isLong(queries.to, past + queries.to) ? undefined : { values: made() }
  const hidden = () => {
    const values = kept ? kept.values : made()
    return values && tf.tensor2d(values, [queries.to - queries.from, keys.to - keys.from])
  }
  return { queries, keys, hidden }
}

/** What each of `tokens` queries behind keys − tokens others sees, in bands; the masks of the last run are kept on the host. */
export const causalBands = () => {
  let last = { tokens: -1, keys: -1, window: null as number | null, bands: [] as readonly Band[] }
  return (tokens: number, keys: number, window: number | null): readonly Band[] => {
    if (last.tokens === tokens && last.keys === keys && last.window === window) return last.bands
    const height = heightOf(tokens, keys, window)
    const starts = Array.from({ length: Math.ceil(tokens / height) }, (_, band) => band * height)
    const bands = starts.map(from => causalBand({ from, to: Math.min(tokens, from + height) }, keys - tokens, window))
    last = { tokens, keys, window, bands }
    return bands
  }
}

export type CausalBands = ReturnType<typeof causalBands>

/** The first place in each row whose position is `limit` or more. */
const placesOf = (keys: Int32Array, rows: number, limit: number): readonly number[] => {
  const width = keys.length / rows
  return Array.from({ length: rows }, (_, row) => {
    const place = keys.subarray(row * width, (row + 1) * width).findIndex(position => position >= limit)
    return place < 0 ? width : place
  })
}

/** What queries see of keys whose positions are not their places; the last keys are the queries' own. */
const bandsByPosition = (tokens: number, keys: Int32Array, rows: number, window: number | null): readonly Band[] => {
  const width = keys.length / rows
  const own = keys.slice(width - tokens, width)
  const height = heightOf(tokens, width, window)
  return Array.from({ length: Math.ceil(tokens / height) }, (_, band) => {
    const queries = { from: band * height, to: Math.min(tokens, (band + 1) * height) }
    const positions = own.subarray(queries.from, queries.to)
    const from = window === null ? 0 : Math.min(...placesOf(keys, rows, positions[0] + 1 - window))
    const to = Math.max(...placesOf(keys, rows, positions[positions.length - 1] + 1))
    const count = to - from
    const seen = new Int32Array(rows * count)
    for (let row = 0; row < rows; row++) seen.set(keys.subarray(row * width + from, row * width + to), row * count)
    const values = hiddenOf({ queries: positions, keys: seen, rows, window })
    return { queries, keys: { from, to }, hidden: () => values && tf.tensor(values, [rows, 1, positions.length, count]) }
  })
}

/** What the last `tokens` of some entries see of all of them, by position. */
export const bandsOver = (bands: CausalBands, tokens: number, { keys, positions }: Entries, window: number | null): readonly Band[] => {
  const entries = keys.shape[1]!
  return positions ? bandsByPosition(tokens, positions, positions.length / entries, window) : bands(tokens, entries, window)
}

/** All queries over all keys. */
export const everything = (queries: number, keys: number): Band => ({
  queries: { from: 0, to: queries },
  keys: { from: 0, to: keys },
  hidden: () => undefined,
})

/** All queries over the tokens of a padded batch; attended: 1 for a token and 0 for padding, (batch, keys). */
export const paddedBand = (attended: tf.Tensor, heads: number): Band => {
  const [batch, keys] = attended.shape as [number, number]
  const hidden = (): tf.Tensor => {
    const padding = tf.mul(tf.sub(1, tf.cast(attended, 'float32')), HIDDEN_FROM_SIGHT)
    return tf.reshape(tf.tile(tf.reshape(padding, [batch, 1, keys]), [1, heads, 1]), [batch * heads, 1, 1, keys])
  }
  return { ...everything(keys, keys), hidden }
}
