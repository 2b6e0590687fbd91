/** How much a map may hold: entries, and the sum of what they weigh. */
export interface Bounds<V> {
  readonly entries: number
  readonly weight?: number
  readonly weigh?: (value: V) => number
}

/** A map that stays within bounds by letting go of what is unused for longest; the newest entry always stays. */
export interface Recency<V> {
  get(key: string): V | undefined
  set(key: string, value: V): void
  delete(key: string): void
  deleteWhere(fits: (value: V) => boolean): void
  clear(): void
  resize(capacity: number): void
  size(): number
}

export function createRecency<V>(bounds: Bounds<V>, release: (value: V) => void): Recency<V> {
  const { weight = Infinity, weigh = () => 0 } = bounds
  const entries = new Map<string, V>()
  let limit = bounds.entries
  let total = 0
  const drop = (key: string, value: V) => {
    entries.delete(key)
    total -= weigh(value)
    release(value)
  }
  const shrink = () => {
    for (const [key, value] of entries) {
      if (entries.size <= 1 || (entries.size <= limit && total <= weight)) return
      drop(key, value)
    }
  }
  return {
    get(key) {
      const value = entries.get(key)
      if (value === undefined) return undefined
      entries.delete(key)
      entries.set(key, value)
      return value
    },
    set(key, value) {
      const replaced = entries.get(key)
      if (replaced !== undefined) {
        entries.delete(key)
        total -= weigh(replaced)
      }
      entries.set(key, value)
      total += weigh(value)
      shrink()
    },
    delete(key) {
      const value = entries.get(key)
      if (value !== undefined) drop(key, value)
    },
    deleteWhere(fits) {
      for (const [key, value] of entries) if (fits(value)) drop(key, value)
    },
    clear() {
      for (const [key, value] of entries) drop(key, value)
    },
    resize(size) {
      limit = size
      shrink()
    },
    size: () => entries.size,
  }
}
