/** A map that holds at most `capacity` entries and lets go of the one unused for longest. */
export interface Recency<V> {
  get(key: string): V | undefined
  set(key: string, value: V): void
  delete(key: string): void
  clear(): void
  resize(capacity: number): void
  size(): number
}

export function createRecency<V>(capacity: number, release: (value: V) => void): Recency<V> {
  const entries = new Map<string, V>()
  let limit = capacity
  const shrink = () => {
    for (const [key, value] of entries) {
      if (entries.size <= limit) return
      entries.delete(key)
      release(value)
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
      entries.delete(key)
      entries.set(key, value)
      shrink()
    },
    delete(key) {
      const value = entries.get(key)
      if (value === undefined) return
      entries.delete(key)
      release(value)
    },
    clear() {
      for (const value of entries.values()) release(value)
      entries.clear()
    },
    resize(size) {
      limit = size
      shrink()
    },
    size: () => entries.size,
  }
}
