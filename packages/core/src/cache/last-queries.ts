import * as tf from '@tensorflow/tfjs-core'

/** Queries and their positions. */
export interface Queries {
  /** (rows, groups, queries, size) */
  readonly values: tf.Tensor4D
  readonly positions: Int32Array
}

/** The last queries of a layer, as many as are wanted. */
export interface LastQueries {
  readonly value: Queries | undefined
  /** How many are kept from now on. */
  readonly wanted: number
  /** Keeps so many from now on; 0 forgets them. */
  keep(count: number): void
  /** Takes new ones, the first of which stands at a position; fresh: (rows, groups, tokens, size). */
  add(fresh: tf.Tensor, next: number): void
  forget(): void
  fork(): LastQueries
}

const joined = (kept: Queries | undefined, fresh: tf.Tensor, next: number, count: number): Queries => {
  const tokens = fresh.shape[2]!
  const positions = Int32Array.from([...(kept?.positions ?? []), ...Array.from({ length: tokens }, (_, i) => next + i)])
  const from = Math.max(0, positions.length - count)
  const values = tf.tidy(() =>
    tf.slice(kept ? tf.concat([kept.values, fresh], 2) : fresh, [0, 0, from, 0], [-1, -1, -1, -1]),
  ) as tf.Tensor4D
  return { values: tf.keep(values), positions: positions.slice(from) }
}

/** None at first, or those given, which it owns. */
export const lastQueries = (begin?: Queries, count = 0): LastQueries => {
  let value = begin
  let wanted = count
  const replace = (queries: Queries | undefined): void => {
    value?.values.dispose()
    value = queries
  }
  return {
    get value() {
      return value
    },
    get wanted() {
      return wanted
    },
    keep: queries => {
      wanted = queries
      if (queries === 0) replace(undefined)
    },
    add: (fresh, next) => {
      if (wanted > 0) replace(joined(value, fresh, next, wanted))
    },
    forget: () => replace(undefined),
    fork: () => lastQueries(value && { ...value, values: tf.keep(tf.clone(value.values)) }, wanted),
  }
}
