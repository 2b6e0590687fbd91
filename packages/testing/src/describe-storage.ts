import { callText, createRng, type CacheStorage, type EntriesPlace, type Made, type StoredEntries } from '@tersor/core'
import { placesTried } from './places-tried.js'

export interface StorageSuite {
  /** How far off numbers may be that were stored, in parts of the root mean square of all; 0 for a storage that loses nothing. */
  readonly error: number
}

const SHAPES = [
  [1, 1, 1],
  [2, 1, 8],
  [1, 9, 3],
  [2, 40, 8],
] as const

const PLACES: readonly EntriesPlace[] = [
  { layer: 0, of: 3, part: 'keys' },
  { layer: 2, of: 3, part: 'values' },
]

const entriesOf = (shape: StoredEntries['shape']): StoredEntries => {
  const rng = createRng(5)
  return { shape, values: Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, () => rng.normal()) }
}

const squares = (values: Iterable<number>): number => [...values].reduce((sum, value) => sum + value * value, 0)

const errorOf = (given: StoredEntries, read: StoredEntries): number =>
  Math.sqrt(squares(read.values.map((value, i) => value - given.values[i])) / squares(given.values))

/** The promises that every storage of cached keys and values keeps; call it first in its test. */
export const describeStorage = (make: () => CacheStorage & Made, { error }: StorageSuite): void =>
  describe(`${callText(make())} as a storage`, () => {
    it.each(SHAPES)('gives entries [%d, %d, %d] again, as close as it says, in every layer', (...shape) => {
      const given = entriesOf(shape)
      for (const place of PLACES) {
        const read = make().decode(make().encode(given, place))
        expect(read.shape).toEqual(shape)
        expect(errorOf(given, read)).toBeLessThanOrEqual(error)
      }
    })

    it('makes the same bytes of the same entries, and leaves them as they are', () => {
      const given = entriesOf([2, 40, 8])
      expect(make().encode(given, PLACES[0])).toEqual(make().encode(given, PLACES[0]))
      expect(given).toEqual(entriesOf([2, 40, 8]))
    })

    it('keeps zeros', () => {
      const zeros = { values: new Float32Array(320), shape: [1, 40, 8] as const }
      expect(make().decode(make().encode(zeros, PLACES[0]))).toEqual(zeros)
    })

    it('refuses bytes that were cut or changed', () => {
      const bytes = make().encode(entriesOf([1, 9, 3]), PLACES[0])
      const refused = expect.objectContaining({ code: 'BAD_FILE' }) as Error
      for (const place of placesTried(bytes.length)) {
        expect(() => make().decode(bytes.subarray(0, place - 1))).toThrow(refused)
        const changed = bytes.slice()
        changed[place - 1] ^= 1 << (place % 8)
        expect(() => make().decode(changed)).toThrow(refused)
      }
    })
  })
