import { defineValue, type ValueDefinition } from '../step/define-method.js'
import type { OptionTable } from '../step/options.js'

/** Keys or values of some heads of a layer. */
export interface StoredEntries {
  /** (rows, entries, size); rows are key heads. */
  readonly values: Float32Array
  readonly shape: readonly [rows: number, entries: number, size: number]
}

/** Which they are. */
export interface EntriesPlace {
  readonly layer: number
  /** Layers with attention. */
  readonly of: number
  readonly part: 'keys' | 'values'
}

const ENTRIES = /^layers\.(\d+)\.parts\.\d+\.(keys|values)$/

/** Which exact keys or values of stored caches a name is of; undefined for all else, pages among it. */
export const placeOfEntries = (name: string): Omit<EntriesPlace, 'of'> | undefined => {
  const [, layer, part] = ENTRIES.exec(name) ?? []
  return layer === undefined ? undefined : { layer: Number(layer), part: part as EntriesPlace['part'] }
}

/** How keys and values of a saved session become bytes; what it loses, the session that is loaded does not have. */
export interface CacheStorage {
  readonly kind: 'storage'
  encode(entries: StoredEntries, place: EntriesPlace): Uint8Array
  /** Of bytes that any options made; throws BAD_FILE for those that cannot be. */
  decode(bytes: Uint8Array): StoredEntries
}

/** Declares a storage: options once, checked when the factory is called; throws BAD_OPTION there. */
export const defineStorage = <const O extends OptionTable>(definition: ValueDefinition<O, CacheStorage>) =>
  defineValue('storage', definition)
