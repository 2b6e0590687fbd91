import { placeOfEntries, type CachesFacts, type StoredCaches } from '@tersor/core'
import { fromFloat32, toFloat32, type Dense } from '@tersor/tensor'

/** Keys and values of one head of one layer, entry by entry: size of keys, size of values. */
export interface Lane {
  readonly entries: number
  readonly size: number
  readonly values: Float32Array
}

/** What stands beside lanes: positions, and what policies remember. */
export const besideLanes = (parameters: StoredCaches['parameters']): StoredCaches['parameters'] =>
  Object.fromEntries(Object.entries(parameters).filter(([name]) => !placeOfEntries(name)))

const partNames = ({ layers }: CachesFacts): readonly string[] =>
  layers.flatMap(({ parts }, layer) => Array.from({ length: parts }, (_, part) => `layers.${layer}.parts.${part}`))

/** Rows of each part, so that lanes find back to them. */
export type LaneParts = readonly { readonly name: string; readonly rows: number }[]

export const lanesOf = ({ facts, parameters }: StoredCaches): { readonly parts: LaneParts; readonly lanes: readonly Lane[] } => {
  const parts: { name: string; rows: number }[] = []
  const lanes: Lane[] = []
  for (const name of partNames(facts)) {
    const [keys, values] = ['keys', 'values'].map(part => parameters[`${name}.${part}`] as Dense)
    const [rows, entries, size] = keys.shape
    const [k, v] = [toFloat32(keys), toFloat32(values)]
    parts.push({ name, rows })
    for (let row = 0; row < rows; row++) {
      const both = new Float32Array(2 * entries * size)
      for (let entry = 0; entry < entries; entry++) {
        const from = (row * entries + entry) * size
        both.set(k.subarray(from, from + size), 2 * entry * size)
        both.set(v.subarray(from, from + size), (2 * entry + 1) * size)
      }
      lanes.push({ entries, size, values: both })
    }
  }
  return { parts, lanes }
}

/** Keys and values by name, as caches are read. */
export const entriesOfLanes = (parts: LaneParts, lanes: readonly Lane[]): Readonly<Record<string, Dense>> => {
  const made: Record<string, Dense> = {}
  let at = 0
  for (const { name, rows } of parts) {
    const own = lanes.slice(at, (at += rows))
    const { entries, size } = own[0]
    const [keys, values] = [new Float32Array(rows * entries * size), new Float32Array(rows * entries * size)]
    own.forEach(({ values: both }, row) => {
      for (let entry = 0; entry < entries; entry++) {
        keys.set(both.subarray(2 * entry * size, (2 * entry + 1) * size), (row * entries + entry) * size)
        values.set(both.subarray((2 * entry + 1) * size, (2 * entry + 2) * size), (row * entries + entry) * size)
      }
    })
    made[`${name}.keys`] = fromFloat32(keys, 'f32', [rows, entries, size])
    made[`${name}.values`] = fromFloat32(values, 'f32', [rows, entries, size])
  }
  return made
}
