import { placeOfEntries, type CacheStorage, type Made } from '@tersor/core'
import { CompressionError, dense, fromFloat32, toFloat32, type Dense, type Parameter } from '@tersor/tensor'

export interface SaveOptions {
  /** How keys and values become bytes, and are read again; in full where absent. */
  readonly storage?: CacheStorage & Made
}

/** Keys and values as a storage makes bytes of them; all else as it is. */
export const storedBy = (
  storage: CacheStorage,
  parameters: Readonly<Record<string, Parameter>>,
  layers: number,
): Readonly<Record<string, Parameter>> =>
  Object.fromEntries(
    Object.entries(parameters).map(([name, parameter]) => {
      const place = placeOfEntries(name)
      if (!place || parameter.kind !== 'dense') return [name, parameter]
      const [rows, entries, size] = parameter.shape
      const given = { values: toFloat32(parameter), shape: [rows, entries, size] as const }
      const bytes = storage.encode(given, { ...place, of: layers })
      return [name, dense('u8', [bytes.length], bytes)]
    }),
  )

/** The floats again; throws BAD_FILE. */
export const decodedBy = (storage: CacheStorage, name: string, parameter: Parameter): Dense => {
  if (parameter.kind !== 'dense' || parameter.dtype !== 'u8')
    throw new CompressionError(
      'BAD_FILE',
      `"${name}" of the saved session holds no bytes of a storage.`,
      'Save the session again; this file is damaged.',
    )
  const { values, shape } = storage.decode(parameter.bytes)
  return fromFloat32(values, 'f32', [...shape])
}

const nameOf = (call: string): string => call.split('(')[0]

/** The storage that a record names, of the one given; throws RESUME where that is another, and BAD_FILE for a record that names none. */
export const storageFor = (call: unknown, given: SaveOptions['storage']): CacheStorage | undefined => {
  if (call === undefined) return undefined
  if (typeof call !== 'string') throw new CompressionError('BAD_FILE', 'The saved session does not say how it is stored.', 'Save it again.')
  if (given?.name === nameOf(call)) return given
  throw new CompressionError(
    'RESUME',
    `The saved session is stored by ${call}${given ? `, not by ${given.name}` : ''}.`,
    `Pass it as storage, with any options: --session-storage ${nameOf(call)} on the command line.`,
    { differs: 'storage' },
  )
}
