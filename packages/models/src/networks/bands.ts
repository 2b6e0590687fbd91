import * as tf from '@tensorflow/tfjs-core'

/** Added to a score, it leaves nothing of it. */
export const HIDDEN_FROM_SIGHT = -1e30

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

/** Queries of a band at least, and bands at most: scores of a band stay in the cache, and nearly half of all scores are never computed. */
const QUERIES = 64
const BANDS = 8

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
  const values = hiddenIn(queries, keys, past, window)
  return { queries, keys, hidden: () => values && tf.tensor2d(values, [queries.to - queries.from, keys.to - keys.from]) }
}

/** What each of `tokens` queries behind keys − tokens others sees, in bands; the masks of the last run are kept on the host. */
export const causalBands = () => {
  let last = { tokens: -1, keys: -1, window: null as number | null, bands: [] as readonly Band[] }
  return (tokens: number, keys: number, window: number | null): readonly Band[] => {
    if (last.tokens === tokens && last.keys === keys && last.window === window) return last.bands
    const height = Math.max(QUERIES, Math.ceil(tokens / BANDS))
    const starts = Array.from({ length: Math.ceil(tokens / height) }, (_, band) => band * height)
    const bands = starts.map(from => causalBand({ from, to: Math.min(tokens, from + height) }, keys - tokens, window))
    last = { tokens, keys, window, bands }
    return bands
  }
}

export type CausalBands = ReturnType<typeof causalBands>

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
