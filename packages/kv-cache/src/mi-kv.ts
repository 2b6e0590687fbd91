import { boolean, choice, defineEncoding, fraction, integer, stretchedOf, tiledFrom, type CacheEncoding, type Kept } from '@tersor/core'
import type { Parameter } from '@tersor/tensor'
import * as tf from '@tensorflow/tfjs-core'
import { exactOptions } from './exact-window.js'
import { halvesOf } from './tensor-trees.js'
import { gatheredRows, splitByScore } from './tiers.js'

/** b = √(max |q| / max |k|) of each channel, 1 where either is 0; queries (rows, groups, queries, size), keys (rows, entries, size); (rows, 1, size). */
const balanceOf = (queries: tf.Tensor4D, keys: tf.Tensor3D): tf.Tensor =>
  tf.tidy(() => {
    const q = tf.expandDims(tf.max(tf.abs(queries), [1, 2]), 1)
    const k = tf.max(tf.abs(keys), 1, true)
    const isKnown = tf.greater(tf.mul(q, k), 0)
    return tf.where(isKnown, tf.sqrt(tf.div(q, tf.maximum(k, 1e-30))), tf.onesLike(k))
  })

const coded = (x: tf.Tensor3D, bits: number): Promise<Parameter> =>
  bits === 16
    ? halvesOf(tf.clone(x))
    : tiledFrom(x, { bits, symmetric: false, height: 1, width: x.shape[2] % 2 === 0 ? x.shape[2] / 2 : x.shape[2] })

/** Keys whose channels are stretched by b where they are rounded: k = (k · b) / b. */
const balanced = async (keys: tf.Tensor3D, bits: number, balance: tf.Tensor | undefined): Promise<Parameter> => {
  if (!balance || bits === 16) return coded(keys, bits)
  const even = tf.mul<tf.Tensor3D>(keys, balance)
  try {
    return stretchedOf(await coded(even, bits), await halvesOf(tf.div(1, balance)))
  } finally {
    even.dispose()
  }
}

/**
 * MiKV: keeps what an eviction would let go, in few bits, and the entries that took most attention so far in many.
 * Keys are balanced against outliers of their channels before they are rounded: b = √(max |q| / max |k|), q · kᵀ = (q / b) · (k · b)ᵀ.
 * Of each head the `important` share with the largest Σ A_ij / #{i that see j} has `high` bits, the others `low`, in two groups an entry.
 * important · high + (1 − important) · low bits, and 64 / size for scales. Throws BAD_OPTION where low is above high.
 * Yang et al. 2024, https://arxiv.org/abs/2402.18096
 */
export const miKv = defineEncoding({
  name: 'mi-kv',
  summary: 'keeps what an eviction would let go in few bits, and what took most attention in many',
  paper: {
    title: 'No Token Left Behind: Reliable KV Cache Compression via Importance-Aware Mixed Precision Quantization',
    authors: 'Yang et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2402.18096',
  },
  differs: 'the newest entries are the exact window and not half of the important ones; importance and balance are those of a block when it leaves that, and sums are divided by the queries that saw an entry, unless like=paper', // prettier-ignore
  options: {
    high: choice(['16', '8', '4'], { default: '16', doc: 'bits of important entries' }),
    low: integer({ min: 1, max: 8, default: 2, doc: 'bits of the others' }),
    important: fraction({ default: 0.2, doc: 'share of the entries that are important' }),
    balanced: boolean({ default: true, doc: 'whether channels of keys are balanced with those of queries' }),
    like: choice(['counts', 'paper'], { default: 'counts', doc: 'whether sums of shares are divided by the queries that saw an entry' }),
    ...exactOptions({ recent: 32, block: 32 }),
  },
  check: ({ high, low }) => (low <= Number(high) ? undefined : [`low = ${low} is above high = ${high}.`, 'Give important entries no fewer bits than the others.']), // prettier-ignore
  make: ({ high, low, important, balanced: balances, like, recent, block }): CacheEncoding<'queries' | 'shares'> => ({
    kind: 'encoding',
    needs: { shares: Infinity, queries: Infinity },
    exact: { recent, block },
    encode: async ({ keys, values, queries, shares: { sums, counts } }) => {
      const scores = like === 'paper' ? sums : sums.map((sum, i) => sum / Math.max(1, counts[i]))
      const balance = balances ? balanceOf(queries, keys) : undefined
      const tier = async (places: Kept, bits: number) => {
        const [k, v] = [gatheredRows(keys, places), gatheredRows(values, places)]
        try {
          return { keys: await balanced(k, bits, balance), values: await coded(v, bits), places }
        } finally {
          tf.dispose([k, v])
        }
      }
      const { best, others } = splitByScore(scores, keys.shape[0], Math.round(important * keys.shape[1]))
      try {
        return await Promise.all([
          ...(best[0].length > 0 ? [tier(best, Number(high))] : []),
          ...(others[0].length > 0 ? [tier(others, low)] : []),
        ])
      } finally {
        balance?.dispose()
      }
    },
  }),
})
