import {
  decode,
  defineEncoding,
  factoredOf,
  integer,
  number,
  outliersOf,
  sumOf,
  tiledFrom,
  type EncodingView,
  type TileGrid,
} from '@tersor/core'
import { powerFactors } from '@tersor/kernels/power-factors'
import type { Encoded, Parameter } from '@tersor/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { exactOptions, refusedGroup } from './exact-window.js'
import { halvesOf, placesOf } from './tensor-trees.js'

/** Down the entries of a channel, or along the channels of an entry. */
type Axis = 1 | 2

interface GearOptions {
  readonly rank: number
  readonly outliers: number
}

/** 1 at the `count` smallest and the `count` largest of each line along an axis, 0 elsewhere, and where these are; x: (rows, entries, size). */
const extremesOf = (x: tf.Tensor3D, axis: Axis, count: number) => {
  const lines = axis === 1 ? tf.transpose(x, [0, 2, 1]) : x // (rows, channels or entries, length)
  const length = lines.shape[2]!
  const marked = (places: tf.Tensor): tf.Tensor => tf.max(tf.oneHot(tf.cast(places, 'int32'), length), 2) // (rows, lines, length)
  const largest = tf.topk(lines, count).indices
  const isLargest = marked(largest)
  const smallest = tf.topk(tf.neg(tf.where(tf.cast(isLargest, 'bool'), tf.fill(lines.shape, Infinity), lines)), count).indices
  const both = tf.maximum(isLargest, marked(smallest))
  const mean = tf.mean(lines, 2, true)
  const filled = tf.where(tf.cast(both, 'bool'), tf.mul(tf.onesLike(lines), mean), lines)
  return { places: tf.concat([largest, smallest], 2), filled: axis === 1 ? tf.transpose(filled, [0, 2, 1]) : filled }
}

/** What is missing at the outliers of x, as a tree of halves. */
const outliersFrom = async (x: tf.Tensor3D, base: Encoded, places: tf.Tensor, axis: Axis): Promise<Encoded> => {
  const missing = tf.tidy(() => {
    const rest = tf.sub(x, decode(base))
    const lines = axis === 1 ? tf.transpose(rest, [0, 2, 1]) : rest
    return tf.gather(lines, tf.cast(places, 'int32'), 2, 2)
  })
  return outliersOf(await halvesOf(missing), await placesOf(tf.clone(places), x.shape[axis]), axis, x.shape[axis])
}

/** Codes, the leading directions of what they miss, and where outliers are asked for those exactly. */
const compressed = async (x: tf.Tensor3D, grid: TileGrid, axis: Axis, { rank, outliers }: GearOptions, view: EncodingView) => {
  const count = Math.round((outliers / 2) * x.shape[axis])
  const extremes = count > 0 ? tf.tidy(() => ({ ...extremesOf(x, axis, count) })) : undefined
  try {
    const base = await tiledFrom(extremes?.filled ?? x, grid)
    const exact = extremes && (await outliersFrom(x, base, extremes.places, axis))
    const withOutliers: Parameter = exact ? sumOf(base, exact) : base
    if (rank === 0) return withOutliers
    const { u, v } = tf.tidy(() => ({ ...powerFactors(tf.sub(x, decode(withOutliers)), rank, view) }))
    const factors = factoredOf(await halvesOf(u), await halvesOf(v))
    return exact ? sumOf(sumOf(base, factors), exact) : sumOf(base, factors)
  } finally {
    if (extremes) tf.dispose([extremes.places, extremes.filled])
  }
}

/**
 * GEAR: adds to codes of few bits what they miss: a matrix of low rank, and the outliers exactly.
 * X ≈ D + A · Bᵀ + S: D codes of X with outliers replaced by the mean of their line, S what is missing at outliers, A (entries, rank) and
 * B (size, rank) of X − D − S. Keys by channels, values by entries. bits + 32 / group + 16 · rank · (entries + size) / (entries · size)
 * + outliers · (16 + 8 or 16 for the place) an element; products are made part by part. Throws BAD_OPTION.
 * Kang et al. 2024, https://arxiv.org/abs/2403.05527
 */
export const gear = defineEncoding({
  name: 'gear',
  summary: 'adds to codes of few bits what they miss, as a matrix of low rank and as outliers',
  paper: {
    title: 'GEAR: An Efficient KV Cache Compression Recipe for Near-Lossless Generative Inference of LLM',
    authors: 'Kang et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2403.05527',
  },
  differs: 'levels are 2^bits − 1 at every width, and outliers are counted from the length of their own line; the released code squares the bits and counts them from the hidden width', // prettier-ignore
  options: {
    bits: integer({ min: 1, max: 8, default: 2, doc: 'of keys and values' }),
    group: integer({ min: 1, default: 64, doc: 'entries of a channel, for values channels of an entry, that share a scale' }),
    rank: integer({ min: 0, default: 4, doc: 'of what codes of a prompt miss, in each head' }),
    decoded: integer({ min: 0, default: 2, doc: 'the same of a block that was generated' }),
    outliers: number({ min: 0, max: 0.5, default: 0.02, doc: 'share of each line that is exact, half of it the smallest and half the largest; 0 is GEAR-L' }), // prettier-ignore
    ...exactOptions({ recent: 1, block: 64 }),
  },
  check: ({ group, block }) => refusedGroup(group, block),
  make: ({ bits, group, rank, decoded, outliers, recent, block }) => ({
    kind: 'encoding',
    needs: {},
    exact: { recent, block },
    encode: async ({ keys, values }, view) => {
      const how = { rank: keys.shape[1] > block ? rank : decoded, outliers }
      const grid = { bits, symmetric: false }
      const k = await compressed(keys, { ...grid, height: group, width: 1 }, 1, how, { ...view, rng: view.rng.fork('keys') })
      const v = await compressed(values, { ...grid, height: 1, width: group }, 2, how, { ...view, rng: view.rng.fork('values') })
      return [{ keys: k, values: v }]
    },
  }),
})
