import { CompressionError, quoted } from '@tersor/tensor'
import type { RawConfig } from './raw-config.js'

/** Larger extents than any network has: a config that names one is damaged, and must not make anyone allocate it. */
export const LARGEST_EXTENT = 2 ** 24
/** A hundred times the layers of today's deepest: lists with an entry a layer are made before any weight is seen. */
export const DEEPEST = 10_000

/** Pixels along a side, above those of any classifier in use: a batch of larger images would take gigabytes before the network says a word. */
export const LARGEST_IMAGE = 4096

/** A config whose field is missing or absurd. */
export const badField = (field: string, got: unknown, expected: string): CompressionError =>
  new CompressionError(
    'BAD_FILE',
    `The config's "${field}" is ${got === undefined ? 'missing' : quoted(got)}; expected ${expected}.`,
    'Take the config that was saved with these weights.',
    { field, got, expected },
  )

const present = (value: unknown): boolean => value !== undefined && value !== null

/** A whole number from 1 to a limit, 2²⁴ by default; the fallback stands for an absent or null field; throws BAD_FILE. */
export const extent = (raw: RawConfig, field: string, fallback?: number, limit = LARGEST_EXTENT): number => {
  const value = present(raw[field]) ? raw[field] : (fallback ?? raw[field])
  const valid = typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= limit
  if (!valid) throw badField(field, raw[field], `a whole number from 1 to ${limit}`)
  return value
}

/** A finite number above zero; throws BAD_FILE. */
export const positive = (raw: RawConfig, field: string, fallback?: number): number => {
  const value = present(raw[field]) ? raw[field] : (fallback ?? raw[field])
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) throw badField(field, raw[field], 'a number above zero')
  return value
}

/** True or false; throws BAD_FILE. */
export const flag = (raw: RawConfig, field: string, fallback: boolean): boolean => {
  const value = present(raw[field]) ? raw[field] : fallback
  if (typeof value !== 'boolean') throw badField(field, value, 'true or false')
  return value
}

/** An object, or undefined where the field is absent or null; throws BAD_FILE. */
export const record = (raw: RawConfig, field: string): RawConfig | undefined => {
  const value = raw[field]
  if (!present(value)) return undefined
  if (typeof value !== 'object' || Array.isArray(value)) throw badField(field, value, 'an object')
  return value as RawConfig
}

/** A list with one entry a layer, or undefined where the field is absent or null; throws BAD_FILE. */
export const perLayer = (raw: RawConfig, field: string, layers: number): readonly unknown[] | undefined => {
  const value = raw[field]
  if (!present(value)) return undefined
  if (!Array.isArray(value) || value.length < layers) throw badField(field, value, `a list of ${layers}, one entry a layer`)
  return value
}

/**
 * A whole number for all blocks, or a list with one for each, where 0 says that a block has none; the fallback stands for an absent or null field.
 * Throws BAD_FILE.
 */
export const perBlock = (raw: RawConfig, field: string, layers: number, fallback?: number | readonly number[]): readonly number[] => {
  const value = present(raw[field]) ? raw[field] : fallback
  if (!Array.isArray(value)) {
    const all = extent({ [field]: value }, field)
    return Array.from({ length: layers }, () => all)
  }
  const fits = value.length === layers && value.every(each => Number.isInteger(each) && each >= 0 && each <= LARGEST_EXTENT)
  if (!fits) throw badField(field, value, `a list of ${layers} whole numbers from 0 on, one a block`)
  return value as readonly number[]
}

/** The same as it stands in a config: one number where all blocks have the same. */
export const uniform = (values: readonly number[]): number | readonly number[] =>
  values.every(value => value === values[0]) ? values[0] : values

/** One token id, several or none; throws BAD_FILE. */
export const tokenIds = (raw: RawConfig, field: string): readonly number[] => {
  if (!present(raw[field])) return []
  const ids = Array.isArray(raw[field]) ? raw[field] : [raw[field]]
  if (!ids.every(id => Number.isInteger(id) && id >= 0)) throw badField(field, raw[field], 'a token id or a list of them')
  return ids as readonly number[]
}
