import type { Change, Sorted } from '@tersor/core'
import { badField, extent, record } from './config-fields.js'
import type { RawConfig } from './raw-config.js'

/** The field of a config that says which units stand with the best first. */
const FIELD = 'sorted_units'
/** Kinds of couplings that it may name, each with what counts are multiples of. */
const KINDS = ['neurons', 'sizes'] as const

const influenceOf = (sorted: RawConfig, layers: number): readonly number[] | undefined => {
  const { influence } = sorted
  if (influence === undefined) return undefined
  const fits = Array.isArray(influence) && influence.length === layers && influence.every(each => Number.isFinite(each))
  if (fits) return influence as readonly number[]
  throw badField(`${FIELD}.influence`, influence, `a list of ${layers} numbers, one a block`)
}

/** Reads how a network was sorted; undefined where it was not. Throws BAD_FILE. */
export const sortedUnits = (raw: RawConfig, layers: number): Sorted | undefined => {
  const sorted = record(raw, FIELD)
  if (!sorted) return undefined
  const named = KINDS.filter(kind => sorted[kind] !== undefined)
  if (named.length === 0) throw badField(FIELD, sorted, `an object with ${KINDS.join(' or ')}`)
  const influence = influenceOf(sorted, layers)
  return { multiples: Object.fromEntries(named.map(kind => [kind, extent(sorted, kind)])), ...(influence ? { influence } : {}) }
}

/** The field behind a change that leaves some blocks; nothing where it says nothing. */
export const sortedField = (before: Sorted | undefined, { sorted = before }: Change, layers: readonly number[]): RawConfig => {
  if (!sorted) return {}
  const { multiples, influence } = sorted
  return { [FIELD]: { ...multiples, ...(influence ? { influence: layers.map(layer => influence[layer]) } : {}) } }
}
