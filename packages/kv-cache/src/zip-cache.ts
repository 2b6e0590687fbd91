import {
  choice,
  defineEncoding,
  fraction,
  integer,
  number,
  stretchedOf,
  tiledFrom,
  type CacheEncoding,
  type Kept,
  type Rng,
  type SummedShares,
} from '@tersor/core'
import * as tf from '@tensorflow/tfjs-core'
import { exactOptions } from './exact-window.js'
import { halvesOf } from './tensor-trees.js'
import { gatheredRows, splitByScore } from './tiers.js'

/** Beyond any number of entries or channels. */
const ALL = Number.MAX_SAFE_INTEGER

/** Half of the probes are the last queries, half are drawn from those before. */
export const probesOf = (queries: number, share: number, rng: Rng): Int32Array => {
  const half = Math.max(1, Math.round((queries * share) / 2))
  const newest = Array.from({ length: Math.min(half, queries) }, (_, i) => queries - 1 - i)
  const left = Array.from({ length: queries - newest.length }, (_, i) => i)
  const drawn = Array.from({ length: Math.min(half, left.length) }, () => left.splice(rng.integer(left.length), 1)[0])
  return Int32Array.from([...newest, ...drawn])
}

/** Σ shares / #{probes that see an entry}, of one that none sees ∞; or the plain sums. */
const saliencyOf = ({ sums, counts }: SummedShares, like: 'counts' | 'sums'): Float32Array =>
  like === 'sums' ? sums : sums.map((sum, i) => (counts[i] > 0 ? sum / counts[i] : Infinity))

/** Values by entries, their channels first divided by the root of the largest each has: v = c · (v / c). */
const separated = async (values: tf.Tensor3D, bits: number) => {
  const factor = tf.tidy(() => {
    const largest = tf.sqrt(tf.max(tf.abs(values), 1, true)) // (rows, 1, size)
    return tf.where(tf.greater(largest, 0), largest, tf.onesLike(largest))
  })
  const even = tf.tidy(() => tf.div<tf.Tensor3D>(values, factor))
  try {
    return stretchedOf(await tiledFrom(even, { bits, symmetric: false, height: 1, width: ALL }), await halvesOf(factor))
  } finally {
    even.dispose()
  }
}

/**
 * ZipCache: gives the entries that took most attention more bits than the others, found from a few probe queries.
 * p_j = Σ_{probes i} A_ij / #{probes that see j}; the `salient` share of each head with the largest p has `high` bits, the others `low`.
 * Keys: a scale for each channel of either set; values: v = c · v′, c_ch = √max |v_ch|, a scale for each entry of v′.
 * salient · high + (1 − salient) · low bits, 32 / size for scales of values. Throws BAD_OPTION where low is above high.
 * He et al. 2024, https://arxiv.org/abs/2405.14256
 */
export const zipCache = defineEncoding({
  name: 'zip-cache',
  summary: 'gives the entries that took most attention more bits than the others',
  paper: {
    title: 'ZipCache: Accurate and Efficient KV Cache Quantization with Salient Token Identification',
    authors: 'He et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2405.14256',
  },
  differs: 'sums are divided by the probes that see an entry, not by all queries that do, and are those of a head for its values too; only new blocks are rounded, never the whole cache again', // prettier-ignore
  options: {
    high: integer({ min: 1, max: 8, default: 4, doc: 'bits of salient entries' }),
    low: integer({ min: 1, max: 8, default: 2, doc: 'bits of the others' }),
    salient: number({ min: 0, max: 1, default: 0.6, doc: 'share of the entries that are salient' }),
    probes: fraction({ default: 0.1, doc: 'share of the queries that probe, half of them the last and half drawn' }),
    like: choice(['counts', 'sums'], { default: 'counts', doc: 'whether sums of shares are divided by the probes that saw an entry' }),
    ...exactOptions({ recent: 1, block: 100 }),
  },
  check: ({ high, low }) => (low <= high ? undefined : [`low = ${low} is above high = ${high}.`, 'Give salient entries no fewer bits than the others.']), // prettier-ignore
  make: ({ high, low, salient, probes, like, recent, block }): CacheEncoding<'queries'> => ({
    kind: 'encoding',
    needs: { queries: Infinity },
    exact: { recent, block },
    encode: async ({ keys, values, queries, sharesOf }, { rng }) => {
      const scores = saliencyOf(await sharesOf(probesOf(queries.shape[2], probes, rng)), like)
      const rowsOf = async (places: Kept, bits: number) => {
        const [k, v] = [gatheredRows(keys, places), gatheredRows(values, places)]
        try {
          return { keys: await tiledFrom(k, { bits, symmetric: false, height: ALL, width: 1 }), values: await separated(v, bits), places }
        } finally {
          tf.dispose([k, v])
        }
      }
      const { best, others } = splitByScore(scores, keys.shape[0], Math.round(salient * keys.shape[1]))
      return Promise.all([...(best[0].length > 0 ? [rowsOf(best, high)] : []), ...(others[0].length > 0 ? [rowsOf(others, low)] : [])])
    },
  }),
})
