import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core'
import type { Parameter } from '@tersor/tensor'
import { defineValue, type ValueDefinition } from '../step/define-method.js'
import type { Made, OptionTable } from '../step/options.js'
import type { Rng } from '../run/rng.js'
import type { Kept } from './entries.js'
import type { LayerView } from './layer-cache.js'

/** Shares that entries took, summed over some queries, the mean of their query heads, and how many of those queries saw each; (rows · entries). */
export interface SummedShares {
  readonly sums: Float32Array
  readonly counts: Float32Array
}

/** What is computed for an encoding where it names it. */
export interface EncodingFeatures {
  /** The queries since the last moment, as many of the last as are named, (rows, groups, queries, size), as they met the keys. */
  readonly queries: Tensor4D
  /** Shares of all queries so far. */
  readonly shares: SummedShares
}

/** Entries of rows that give equally many away, the oldest that were exact. */
export interface Leaving {
  /** (rows, entries, size) */
  readonly keys: Tensor3D
  readonly values: Tensor3D
  /** Of each row, ascending. */
  readonly positions: readonly Int32Array[]
  /** The shares that they took of some of the queries that were kept, by their places; where `queries` are named. */
  sharesOf(queries: Int32Array): Promise<SummedShares>
}

/** Some of the entries in few bits. */
export interface EncodedPart {
  /** Trees that stand for (rows, entries, size). */
  readonly keys: Parameter
  readonly values: Parameter
  /** Which of the entries of each row they are, ascending, each row equally many; all where absent. */
  readonly places?: Kept
}

export interface EncodingView {
  /** Tokens that were seen, and the position of the next. */
  readonly seen: number
  readonly next: number
  readonly layer: LayerView
  /** Sequences; rows are batch · key heads. */
  readonly batch: number
  readonly rng: Rng
}

/** Keeps entries in few bits once they are old enough. */
export interface CacheEncoding<F extends keyof EncodingFeatures = any> {
  readonly kind: 'encoding'
  /** The features that it reads, and of how many of the last queries at most. */
  readonly needs: Readonly<Record<F, number>>
  /** The newest entries of each row that stay exact, one at least, and how many leave at once: all of a multiple of `block` beyond them. */
  readonly exact: { readonly recent: number; readonly block: number }
  /** The entries as trees: each of them in one part. What it is given stays the caller's. */
  encode(leaving: Leaving & Readonly<Pick<EncodingFeatures, F>>, view: EncodingView): Promise<readonly EncodedPart[]>
}

/** Declares an encoding: options once, checked when the factory is called; throws BAD_OPTION there. */
export const defineEncoding = <const O extends OptionTable, F extends keyof EncodingFeatures = never>(
  definition: ValueDefinition<O, CacheEncoding<F>>,
) => defineValue('encoding', definition)

/** Whether a value is an encoding that a factory made. */
export const isEncoding = (value: object): value is CacheEncoding & Made =>
  (value as Partial<CacheEncoding>).kind === 'encoding' && 'encode' in value

/** Entries that leave a row of so many exact ones. */
export const leavingOf = (held: number, { exact: { recent, block } }: CacheEncoding): number =>
  Math.floor(Math.max(0, held - Math.max(1, recent)) / block) * block
