import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core'
import { defineValue, type ValueDefinition } from '../step/define-method.js'
import type { Made, OptionTable } from '../step/options.js'
import type { Rng } from '../run/rng.js'
import type { CacheEncoding } from './encoding.js'
import type { Kept } from './entries.js'
import type { LayerView } from './layer-cache.js'

/** What is computed of a run of rows where a policy names it; of the queries since the last moment that were kept for it. */
export interface Features {
  /** (rows, groups, queries, size), rotated as they met the keys. */
  readonly queries: Tensor4D
  /** The softmax of those queries over all entries, (rows, groups, queries, entries). */
  readonly lastShares: Tensor4D
  /** Shares of each entry summed over all queries so far, the mean of its query heads, and how many queries saw it; (rows · entries) each. */
  readonly shares: { readonly sums: Float32Array; readonly counts: Float32Array }
  /** Mean (rows, groups, size) and covariance (rows, groups, size, size) of queries before rotation. */
  readonly queryMoments: { readonly mean: Tensor; readonly covariance: Tensor }
}

export type FeatureName = keyof Features

/** Rows that hold equally many entries: (rows, entries, size), and the positions of each row. */
export interface EntriesView {
  readonly keys: Tensor
  readonly values: Tensor
  readonly positions: readonly Int32Array[]
  /** How many entries each was merged from, (rows · entries); 1 where absent. */
  readonly counts?: Float32Array
}

/** All that one layer holds. */
export interface CacheView<F extends FeatureName = never> {
  readonly parts: readonly (EntriesView & Readonly<Pick<Features, F>>)[]
  /** Sequences; rows are batch · key heads. */
  readonly batch: number
  /** Tokens that were seen, and the position of the next. */
  readonly seen: number
  readonly next: number
  readonly layer: LayerView
  readonly rng: Rng
}

/** When a policy is asked: after each prompt; then and after every n tokens; when more than so many entries are held. */
export type When = { readonly at: 'prompt' } | { readonly every: number } | { readonly over: number; readonly slack: number }

/** Chooses the entries that stay. */
export interface CachePolicy<F extends FeatureName = any> {
  readonly kind: 'policy'
  /** The features that it reads, and of how many of the last queries at most. */
  readonly needs: Readonly<Record<F, number>>
  readonly when: When
  /** Whether what stays is renumbered 0, 1, 2 …, its keys turned alike, so that the context limits what is held and not what is seen. */
  readonly positions?: 'compact'
  /** Of each row of the layer, all parts in order, the places that stay, ascending; 'all' keeps everything. */
  keep(view: CacheView<F>): Kept | 'all' | Promise<Kept | 'all'>
}

/** Declares a policy: options once, checked when the factory is called; throws BAD_OPTION there. */
export const definePolicy = <const O extends OptionTable, F extends FeatureName = never>(definition: ValueDefinition<O, CachePolicy<F>>) =>
  defineValue('policy', definition)

/** Whether a value is a policy that a factory made. */
export const isPolicy = (value: object): value is CachePolicy & Made => (value as Partial<CachePolicy>).kind === 'policy' && 'keep' in value

/** What entries of some rows become: those at `kept`, equally many of each row, with other keys, values and counts. */
export interface Rewritten {
  readonly kept: Kept
  /** (rows, entries, size), which the cache owns from now on. */
  readonly keys: Tensor
  readonly values: Tensor
  /** (rows · entries) */
  readonly counts: Float32Array
}

/** Lets entries go and makes others of what was in them. */
export interface CacheRewrite<F extends FeatureName = any> {
  readonly kind: 'rewrite'
  readonly needs: Readonly<Record<F, number>>
  readonly when: When
  /** What becomes of rows that hold equally many entries; 'all' changes nothing. */
  rewrite(part: EntriesView & Readonly<Pick<Features, F>>, view: CacheView<F>): Promise<Rewritten | 'all'>
}

/** Declares a rewrite, likewise. */
export const defineRewrite = <const O extends OptionTable, F extends FeatureName = never>(
  definition: ValueDefinition<O, CacheRewrite<F>>,
) => defineValue('rewrite', definition)

/** What is asked when it is due. */
export type AskedStep = (CachePolicy | CacheRewrite) & Made

/** Policies and rewrites in the order in which they are asked, and at the end at most one encoding of what they leave. */
export type CachePlan = readonly (AskedStep | (CacheEncoding & Made))[]

/** The policies and rewrites of a plan. */
export const askedOf = (plan: CachePlan): readonly AskedStep[] => plan.filter(step => step.kind !== 'encoding')

/** The encoding of a plan. */
export const encodingOf = (plan: CachePlan): (CacheEncoding & Made) | undefined => plan.find(step => step.kind === 'encoding')

/** Whether a policy of it renumbers what stays, so that a text may outgrow the context. */
export const isCompact = (plan: CachePlan): boolean => plan.some(step => step.kind === 'policy' && step.positions === 'compact')
