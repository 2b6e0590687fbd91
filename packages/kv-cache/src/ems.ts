import { boolean, defineRewrite, fraction, type CacheRewrite, type Kept, type SummedShares } from '@tersor/core'
import * as tf from '@tensorflow/tfjs-core'
import { budgetOptions, entriesKept, refusedBudget, whenAsked } from './budget.js'
import { alwaysKept, ascending, ranked } from './scored.js'
import { gatheredRows } from './tiers.js'

/** Queries whose shares are the local score. */
const LOCAL = 32

/** Weights of entries that took no attention at all, so that merging them divides by something. */
const LEAST = 1e-12

/** max(local, global · mean(local) / mean(global)) of one row. */
const jointScore = (global: Float32Array, local: Float32Array): Float32Array => {
  const mean = (of: Float32Array): number => of.reduce((sum, value) => sum + value, 0) / of.length
  const [globalMean, localMean] = [mean(global), mean(local)]
  const factor = globalMean > 0 ? localMean / globalMean : 0
  return global.map((value, i) => Math.max(local[i], value * factor, LEAST))
}

/** Scores of each row: what took attention all along or of late. */
const scoresOf = async (lastShares: tf.Tensor4D, { sums, counts }: SummedShares): Promise<readonly Float32Array[]> => {
  const [rows, , , entries] = lastShares.shape
  const summed = tf.tidy(() => tf.sum(tf.mean(lastShares, 1), 1)) // (rows, entries)
  try {
    const local = await summed.data<'float32'>()
    const global = sums.map((sum, i) => sum / Math.max(1, counts[i]))
    const row = (of: Float32Array, i: number): Float32Array => of.subarray(i * entries, (i + 1) * entries)
    return Array.from({ length: rows }, (_, i) => jointScore(row(global, i), row(local, i)))
  } finally {
    summed.dispose()
  }
}

const unit = (x: tf.Tensor3D): tf.Tensor3D => tf.div(x, tf.maximum(tf.norm(x, 2, 2, true), 1e-30))

/** Which of the centres each of the others joins, (rows, others, centres): the nearest in keys and values where both agree, or none. */
const joining = (keys: readonly [tf.Tensor3D, tf.Tensor3D], values: readonly [tf.Tensor3D, tf.Tensor3D], least: number): tf.Tensor3D => {
  const cosines = ([centres, others]: readonly [tf.Tensor3D, tf.Tensor3D]): tf.Tensor3D =>
    tf.matMul(unit(others), unit(centres), false, true)
  const [ofKeys, ofValues] = [cosines(keys), cosines(values)]
  const alike = tf.mul(tf.relu(ofKeys), tf.relu(ofValues)) // two negative ones are no likeness
  const nearest = tf.cast(tf.equal(tf.expandDims(tf.argMax(alike, 2), 2), tf.range(0, alike.shape[2]!, 1, 'int32')), 'float32')
  return tf.mul(nearest, tf.cast(tf.greaterEqual(tf.max(alike, 2, true), least), 'float32'))
}

/** What lies at some places of each row's numbers, (rows, places, 1). */
const column = (of: readonly Float32Array[], places: Kept): tf.Tensor3D =>
  tf.tensor3d(Float32Array.from(places.flatMap((list, row) => Array.from(list, place => of[row][place]))), [places.length, places[0].length, 1]) // prettier-ignore

/**
 * EMS: lets entries go that took little attention, all along and of late, and first merges those that are like one that stays into it.
 * s_j = max(S_loc, S_glo · mean S_loc / mean S_glo), S_glo = Σ A_ij / #{i that see j}, S_loc the shares of the last 32 queries. An entry joins
 * the one that stays whose cos(k, k_c) · cos(v, v_c) is largest, if that is `alike` at least; v_c and the direction of k_c become means by s,
 * and the score of a merged entry is log(count) higher. Throws BAD_OPTION for a budget below sinks and recent entries.
 * Li et al. 2024, https://arxiv.org/abs/2412.08521
 */
export const ems = defineRewrite({
  name: 'ems',
  summary: 'merges entries into those like them that stay, and lets the others go',
  paper: {
    title: 'EMS: Adaptive Evict-then-Merge Strategy for Head-wise KV Cache Compression Based on Global-Local Importance',
    authors: 'Li et al.',
    year: 2024,
    url: 'https://arxiv.org/abs/2412.08521',
  },
  differs: 'in the style of it: the paper says what is joined and merged, and formulas and constants are ours; each head keeps as many entries, and counts raise the scores of merged ones', // prettier-ignore
  options: {
    ...budgetOptions({ sinks: 0, recent: 32 }),
    alike: fraction({ default: 0.6, doc: 'product of the cosines of keys and values from which on an entry is merged; others go' }),
    counts: boolean({ default: true, doc: 'whether the score of an entry grows with how many it was merged from' }),
  },
  check: refusedBudget,
  make: (options): CacheRewrite<'lastShares' | 'shares'> => ({
    kind: 'rewrite',
    needs: { lastShares: LOCAL, shares: Infinity },
    when: whenAsked(options.every),
    rewrite: async ({ keys, values, counts: before, lastShares, shares }, { seen }) => {
      const [rows, entries] = keys.shape as [number, number, number]
      const budget = entriesKept(options, seen)
      if (entries <= budget) return 'all'
      const scores = await scoresOf(lastShares, shares)
      const chosen = scores.map(row => {
        const kept = new Set(alwaysKept(options, budget, entries))
        for (const place of ranked(row)) if (kept.size < budget) kept.add(place)
        return kept
      })
      const kept = chosen.map(ascending)
      const others = chosen.map(places => Int32Array.from({ length: entries }, (_, place) => place).filter(place => !places.has(place)))
      const numbers = Array.from({ length: rows }, (_, row) => before?.subarray(row * entries, (row + 1) * entries) ?? new Float32Array(entries).fill(1)) // prettier-ignore
      const made = tf.tidy(() => {
        const pair = (x: tf.Tensor) => [gatheredRows(x as tf.Tensor3D, kept), gatheredRows(x as tf.Tensor3D, others)] as const
        const [k, v] = [pair(keys), pair(values)]
        const join = joining(k, v, options.alike)
        const gathered = (x: tf.Tensor3D): tf.Tensor3D => tf.matMul(join, x, true, false) // of what joins each centre
        const [own, joined] = [column(scores, kept), column(scores, others)]
        const weight = tf.add(own, gathered(joined))
        const mean = (centres: tf.Tensor3D, rest: tf.Tensor3D): tf.Tensor3D =>
          tf.div(tf.add(tf.mul(centres, own), gathered(tf.mul(rest, joined))), weight)
        const direction = unit(mean(unit(k[0]), unit(k[1])))
        const all = tf.add(column(numbers, kept), gathered(column(numbers, others)))
        return { keys: tf.mul(direction, tf.norm(k[0], 2, 2, true)), values: mean(v[0], v[1]), all }
      })
      const counts = options.counts ? Float32Array.from(await made.all.data<'float32'>()) : new Float32Array(rows * budget).fill(1)
      made.all.dispose()
      return { kept, keys: made.keys, values: made.values, counts }
    },
  }),
})
