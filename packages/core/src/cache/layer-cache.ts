import type { Tensor } from '@tensorflow/tfjs-core'

/** What a cache must know of the attention block that fills it. */
export interface AttentionFacts {
  readonly heads: number
  /** Each serves heads / keyHeads query heads. */
  readonly keyHeads: number
  readonly size: number
  /** Factor of query · key. */
  readonly scale: number
  /** Soft limit of the scores. */
  readonly cap?: number | null
  /** Positions a query sees, its own included; null, or absent, for all before it. */
  readonly window?: number | null
  /** How keys know where they stand: turned by their position, by a table that the embedding adds, or not at all. */
  readonly positions: 'rotated' | 'learned' | 'none'
  /** Radians a position turns each pair (i, i + size / 2) by, (size / 2); undefined where they follow the length of the text. Throws UNSUPPORTED. */
  readonly frequencies?: () => Float32Array | undefined
}

/** Which of the layers with attention this is. */
export interface LayerView {
  readonly index: number
  readonly of: number
  readonly attention: AttentionFacts
}

/** Keys and values of some heads that hold equally many. */
export interface Entries {
  /** (rows, entries, size); rows are batch · key heads. */
  readonly keys: Tensor
  readonly values: Tensor
  /** Of each entry, ascending: (rows · entries), or (entries) where all rows agree; entry i is at position i where absent. */
  readonly positions?: Int32Array
  /** How many entries each was merged from, (rows · entries); 1 where absent. Its score is log(count) higher. */
  readonly counts?: Float32Array
}

/** What a layer remembers: what was seen is not what is held, and every entry knows its position. */
export interface LayerCache {
  /** The position of the next token. */
  readonly next: number
  /** Takes the new positions, (batch, key heads, tokens, size), and returns all that is held, the new ones last, rows in order; the cache owns what it returns. */
  append(keys: Tensor, values: Tensor): readonly Entries[]
  /** Sees the queries of the new positions before they are appended, (rows, groups, tokens, size). */
  observe?(queries: Tensor): void
  /**
   * Where given, it takes the place of `append` and of the products with it: softmax(q · [past, keys]ᵀ) · [past, values] with queries that
   * are scaled already, (rows, groups · tokens, size), scores kept within ± cap; keys and values of the new positions (batch, key heads, tokens, size).
   */
  readonly attend?: ((queries: Tensor, keys: Tensor, values: Tensor, cap?: number | null) => Tensor) | undefined
}
