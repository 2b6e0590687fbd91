import type { GraphValue } from '@tersor/models/graph-model'

/** A value that a graph takes and the one that it gives back, grown by the new tokens. */
export interface PastPair {
  readonly past: string
  readonly present: string
}

/** What one layer of a decoder's graph remembers, (batch, key heads, entries, size). */
export interface GraphLayer {
  readonly index: number
  readonly keys: PastPair
  readonly values: PastPair
  readonly dtype: 'float32' | 'float16'
  readonly keyHeads: number
  readonly size: number
}

const PAST = /^past_key_values\.(\d+)\.(key|value)$/
/** How the outputs begin: exporters changed it once. */
const PRESENTS = ['present.', 'present_key_values.']

/** The axis of past and present keys and values that their heads stand on. */
export const HEADS_OF_PAST = 1

export const isPast = (name: string): boolean => PAST.test(name)

export const isPresent = (name: string): boolean => PRESENTS.some(start => name.startsWith(start)) && /\.\d+\.(key|value)$/.test(name)

const presentOf = (index: number, part: string, outputs: ReadonlySet<string>): string | undefined =>
  PRESENTS.map(start => `${start}${index}.${part}`).find(name => outputs.has(name))

const layerOf = (index: number, byName: ReadonlyMap<string, GraphValue>, outputs: ReadonlySet<string>): GraphLayer | undefined => {
  const pairOf = (part: string) => ({ past: `past_key_values.${index}.${part}`, present: presentOf(index, part, outputs) })
  const [keys, values] = [pairOf('key'), pairOf('value')]
  const { dtype, shape = [] } = byName.get(keys.past) ?? {}
  const [, keyHeads, , size] = shape
  const same = byName.get(values.past)
  if (keys.present === undefined || values.present === undefined || same?.dtype !== dtype) return undefined
  if (typeof keyHeads !== 'number' || typeof size !== 'number' || same?.shape?.[1] !== keyHeads || same.shape[3] !== size) return undefined
  if (dtype !== 'float32' && dtype !== 'float16') return undefined
  return { index, keys: keys as PastPair, values: values as PastPair, dtype, keyHeads, size }
}

/**
 * The layers of a graph that takes past keys and values and gives present ones, by their names, with extents and types as the graph says;
 * undefined where it takes none, lacks one of them, or leaves heads or sizes open.
 */
export const layersOf = (inputs: readonly GraphValue[], outputs: readonly GraphValue[]): readonly GraphLayer[] | undefined => {
  const byName = new Map(inputs.map(value => [value.name, value]))
  const given = new Set(outputs.map(({ name }) => name))
  const indices = [...new Set(inputs.flatMap(({ name }) => PAST.exec(name)?.[1] ?? []))].map(Number).sort((a, b) => a - b)
  const layers = indices.map(index => layerOf(index, byName, given))
  return layers.length > 0 && layers.every(layer => layer !== undefined) ? layers : undefined
}
