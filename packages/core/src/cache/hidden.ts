import { HIDDEN_FROM_SIGHT } from '@tersor/kernels/hidden-from-sight'

export { HIDDEN_FROM_SIGHT }

/** Keys a query sees: all up to its own position, none of those `window` or more before it. */
export interface Sight {
  /** Positions of the queries. */
  readonly queries: Int32Array
  /** Positions of the keys, row by row. */
  readonly keys: Int32Array
  readonly rows: number
  readonly window: number | null
}

/** What is added to scores, (rows, queries, keys); undefined where every query sees every key. */
export const hiddenOf = ({ queries, keys, rows, window }: Sight): Float32Array | undefined => {
  const width = keys.length / rows
  const hidden = new Float32Array(rows * queries.length * width)
  let hides = false
  for (let row = 0, at = 0; row < rows; row++)
    for (const query of queries)
      for (let key = row * width; key < (row + 1) * width; key++, at++) {
        if (keys[key] <= query && (window === null || keys[key] > query - window)) continue
        hidden[at] = HIDDEN_FROM_SIGHT
        hides = true
      }
  return hides ? hidden : undefined
}
