import * as tf from '@tensorflow/tfjs-core'
import type { CachePolicy, CacheView, EntriesView, FeatureName, Features, Kept, Made } from '@tersor/core'
import { atBothEnds, entriesKept, recentKept, whenAsked, type Budget } from './budget.js'

/** Rows that hold equally many entries, with the features that a score asked for. */
export type Part<F extends FeatureName> = EntriesView & Readonly<Pick<Features, F>>

/** What a score makes of some rows: (rows, entries), the best largest. */
export type Scores = tf.Tensor | Float32Array

/** A policy that keeps the best entries: wrappers give it other budgets, or another choice. */
export interface ScoredPolicy<F extends FeatureName = any> extends CachePolicy<F> {
  readonly limits: Budget
  score(part: Part<F>, view: CacheView<F>): Scores
  /** How many entries each head of a layer keeps. */
  budget(view: CacheView<F>): number
  /** The places that stay, given the scores of each row. */
  select(scores: readonly Float32Array[], budget: number, view: CacheView<F>): Kept
}

export const isScored = (value: object): value is ScoredPolicy & Made => 'score' in value && 'select' in value && 'keep' in value

const valuesOf = async (compute: () => Scores): Promise<Float32Array> => {
  let host: Float32Array | undefined
  const device = tf.tidy((): tf.Tensor | undefined => {
    const made = compute()
    if (made instanceof Float32Array) host = made
    return host ? undefined : (made as tf.Tensor)
  })
  if (!device) return host!
  try {
    return await device.data<'float32'>()
  } finally {
    device.dispose()
  }
}

/** The scores of each row. */
const scoresOf = async ({ score }: ScoredPolicy, view: CacheView<any>): Promise<readonly Float32Array[]> => {
  const rows: Float32Array[] = []
  for (const part of view.parts) {
    const values = await valuesOf(() => score(part, view))
    const width = part.positions[0].length
    part.positions.forEach((_, row) => rows.push(values.subarray(row * width, (row + 1) * width)))
  }
  return rows
}

/** Places from the best score to the worst; of equals the earlier first. */
export const ranked = (scores: Float32Array): Int32Array =>
  Int32Array.from(scores, (_, place) => place).sort((a, b) => scores[b] - scores[a] || a - b)

export const ascending = (places: Iterable<number>): Int32Array => Int32Array.from(places).sort()

/** The first and the newest entries of a row, which stay whatever their score. */
export const alwaysKept = (limits: Budget, budget: number, length: number): readonly number[] =>
  atBothEnds(length, limits.sinks, recentKept(limits, budget))

/** Each row keeps its first and newest entries and the best of the others. */
const bestOfEachRow =
  (limits: Budget): ScoredPolicy['select'] =>
  (scores, budget) =>
    scores.map(row => {
      if (row.length <= budget) return Int32Array.from(row, (_, place) => place)
      const kept = new Set(alwaysKept(limits, budget, row.length))
      for (const place of ranked(row)) {
        if (kept.size >= budget) break
        kept.add(place)
      }
      return ascending(kept)
    })

/** The policy of a score, a budget and a choice. */
export const scoredPolicy = <F extends FeatureName>(policy: Omit<ScoredPolicy<F>, 'keep' | 'kind'>): ScoredPolicy<F> => {
  const { needs, when, limits, score, budget: budgetOf, select } = policy // and not the name of a policy that is wrapped
  const whole: ScoredPolicy<F> = {
    ...{ needs, when, limits, score, budget: budgetOf, select },
    kind: 'policy',
    keep: async view => {
      const budget = budgetOf(view)
      if (view.parts.every(({ positions }) => positions[0].length <= budget)) return 'all'
      return select(await scoresOf(whole, view), budget, view)
    },
  }
  return whole
}

/** A policy that keeps the entries of each head that score best, with the budget of its options. */
export const scored = <F extends FeatureName>(
  limits: Budget & { readonly every: number | undefined },
  needs: Readonly<Record<F, number>>,
  score: ScoredPolicy<F>['score'],
): ScoredPolicy<F> =>
  scoredPolicy({
    needs,
    when: whenAsked(limits.every),
    limits,
    score,
    budget: ({ seen }) => entriesKept(limits, seen),
    select: bestOfEachRow(limits),
  })
