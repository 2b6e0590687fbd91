import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import { softCap } from '@tersor/kernels/soft-cap'
import { flat, positionsOf } from './entries.js'
import type { Queries } from './last-queries.js'
import { hiddenOf } from './hidden.js'
import type { AttentionFacts, Entries } from './layer-cache.js'
import type { Features } from './policy.js'
import { turnPairs } from './turn-pairs.js'

/** Queries whose shares are held at once: memory stays linear in the length. */
const QUERIES_AT_ONCE = 64

/** Some neighbouring queries of those kept. */
export const queriesBetween = ({ values, positions }: Queries, from: number, to: number): Queries => ({
  values: tf.slice(values, [0, 0, from, 0], [-1, -1, to - from, -1]),
  positions: positions.subarray(from, to),
})

/** The last of the queries kept. */
export const lastOf = (queries: Queries, count: number): Queries =>
  queriesBetween(queries, Math.max(0, queries.positions.length - count), queries.positions.length)

/** The queries of some rows. */
export const queriesOfRows = ({ values, positions }: Queries, from: number, to: number): Queries => ({
  values: tf.slice(values, [from, 0, 0, 0], [to - from, -1, -1, -1]),
  positions,
})

/** softmax(scale · q · kᵀ + mask), (rows, groups, queries, entries); runs inside a tidy. */
export const sharesOf = (
  { values, positions }: Queries,
  entries: Entries,
  { scale, cap = null, window = null }: AttentionFacts,
): tf.Tensor4D => {
  const [rows, groups, count, size] = values.shape
  const width = entries.keys.shape[1]!
  const flat = tf.mul(tf.reshape(values, [rows, groups * count, size]), scale) as tf.Tensor3D
  const scores = tf.matMul(flat, entries.keys as tf.Tensor3D, false, true) // (rows, groups · queries, entries)
  const keys = entries.positions ?? Int32Array.from({ length: width }, (_, i) => i)
  const lists = keys.length / width
  const hidden = hiddenOf({ queries: positions, keys, rows: lists, window })
  const grid = tf.reshape(softCap(scores, cap), [rows, groups, count, width])
  const seen = hidden ? tf.add(grid, tf.tensor(hidden, [lists, 1, count, width])) : grid
  const { counts } = entries
  return tf.softmax(counts ? tf.add(seen, tf.tensor(counts.map(Math.log), [rows, 1, 1, width])) : seen, -1) as tf.Tensor4D
}

/** Shares summed over all queries of the rows that hold some entries, the mean of the query heads, (rows · entries). */
export const sumsOfShares = async (
  all: Queries,
  [first, end]: readonly [number, number],
  entries: Entries,
  facts: AttentionFacts,
): Promise<Float32Array> => {
  const total = tf.tidy(() => {
    const queries = queriesOfRows(all, first, end)
    const blocks = Array.from({ length: Math.ceil(queries.positions.length / QUERIES_AT_ONCE) }, (_, i) => i * QUERIES_AT_ONCE)
    return blocks.reduce<tf.Tensor>(
      (sum, from) =>
        tf.tidy(() => {
          const some = queriesBetween(queries, from, Math.min(queries.positions.length, from + QUERIES_AT_ONCE))
          return tf.add(sum, tf.sum(tf.mean(sharesOf(some, entries, facts), 1), 1))
        }),
      tf.zeros([entries.keys.shape[0], entries.keys.shape[1]!]),
    )
  })
  try {
    return Float32Array.from(await total.data<'float32'>())
  } finally {
    total.dispose()
  }
}

/** How many of some queries, whose positions ascend, see each entry, (rows · entries). */
export const countsOf = (queries: Int32Array, entries: Entries, { window = null }: AttentionFacts): Float32Array =>
  flat(positionsOf(entries).map(keys => countsOfRow(queries, keys, window ?? Infinity)))

/** An entry is seen from its own position on and before `window` more; keys ascend. */
const countsOfRow = (queries: Int32Array, keys: Int32Array, window: number): Float32Array => {
  let [from, to] = [0, 0]
  return Float32Array.from(keys, key => {
    while (from < queries.length && queries[from] < key) from++
    while (to < queries.length && queries[to] - key < window) to++
    return to - from
  })
}

/** Frequencies of a layer's rotation, undefined where nothing is rotated; throws UNSUPPORTED where they follow the text or are those of each head. */
export const knownFrequencies = ({ positions, frequencies }: AttentionFacts, what: string): Float32Array | undefined => {
  if (positions !== 'rotated') return undefined
  const known = frequencies?.()
  if (known) return known
  throw new CompressionError(
    'UNSUPPORTED',
    `${what} turns keys back, and this model's rotation follows the length of the text, or its heads are sorted.`,
    'Choose a policy or an encoding that needs no rotation, such as snap-kv or int8, with true positions.',
  )
}

/** x turned by −position · frequency; x: (rows, groups, queries, size). */
const unrotated = ({ values, positions }: Queries, frequencies: Float32Array): tf.Tensor => {
  const angles = tf.mul(tf.reshape(tf.tensor1d(Float32Array.from(positions)), [-1, 1]), tf.reshape(tf.tensor1d(frequencies), [1, -1]))
  return turnPairs(values, tf.cos(angles), tf.neg(tf.sin(angles))) // angles: (queries, size / 2)
}

/** Mean and covariance of queries before rotation; the caller's tidy holds them. */
export const momentsOf = (
  queries: Queries,
  facts: AttentionFacts,
  policy: string,
  hold: <T extends tf.Tensor>(tensor: T) => T,
): Features['queryMoments'] => {
  const frequencies = knownFrequencies(facts, policy)
  const q = frequencies ? unrotated(queries, frequencies) : queries.values // (rows, groups, queries, size)
  const mean = tf.mean(q, 2, true)
  const centred = tf.sub(q, mean)
  const covariance = tf.div(tf.matMul(centred, centred, true, false), queries.positions.length)
  return { mean: hold(tf.squeeze(mean, [2])), covariance: hold(covariance) }
}
