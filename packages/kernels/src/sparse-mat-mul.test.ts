import { packBits } from '@tersor/tensor'
import * as fc from 'fast-check'
import { groupSparseMatMul, groupSparseOf } from './group-sparse-mat-mul.js'
import { multiplied } from './packed.reference.js'
import { twoOfFourMatMul } from './two-of-four-mat-mul.js'
import { distance, runs, values as signed } from './values.reference.js'

fc.configureGlobal({ numRuns: runs(100) })

const PAIRS = [3, 5, 6, 9, 10, 12]
const sizes = { rows: fc.integer({ min: 1, max: 9 }), count: fc.integer({ min: 1, max: 19 }), seed: fc.nat(1000) }

/** The matrix with zeros where nothing is kept. */
const filled = (values: Float32Array, kept: ArrayLike<number>) => Float64Array.from(values, (value, i) => (kept[i] ? value : 0))

it('multiplies by two of every four columns as plain loops do', () => {
  fc.assert(
    fc.property(fc.record({ ...sizes, eights: fc.integer({ min: 1, max: 12 }) }), ({ rows, count, seed, eights }) => {
      const columns = 8 * eights
      const chosen = signed((rows * columns) / 4, seed + 1).map(value => PAIRS[Math.floor(Math.abs(value) * 6)])
      const kept = Array.from({ length: rows * columns }, (_, i) => (chosen[i >> 2] >> (i & 3)) & 1)
      const full = signed(rows * columns, seed + 2)
      const x = signed(count * columns, seed + 3)
      const product = twoOfFourMatMul({ rows, columns, mask: packBits(kept, 1), values: full.filter((_, i) => kept[i] === 1) })
      expect(distance(product(x, count), multiplied(x, filled(full, kept), columns))).toBeLessThan(1e-5)
    }),
  )
})

it('multiplies by groups of columns as plain loops do', () => {
  const cases = fc.record({
    ...sizes,
    group: fc.constantFrom(4, 8, 20),
    groups: fc.integer({ min: 1, max: 9 }),
    part: fc.integer({ min: 0, max: 10 }),
  })
  fc.assert(
    fc.property(cases, ({ rows, count, seed, group, groups, part }) => {
      const columns = group * groups
      const drawn = signed(rows * groups, seed + 1)
      // groups are kept whole, but for the first entry of each third one
      const kept = Array.from(
        { length: rows * columns },
        (_, i) => +(Math.abs(drawn[Math.floor(i / group)]) * 10 < part && i % (3 * group) !== 0),
      )
      const full = signed(rows * columns, seed + 2)
      const x = signed(count * columns, seed + 3)
      const product = groupSparseMatMul(groupSparseOf(full, kept, rows, columns, group))
      expect(distance(product(x, count), multiplied(x, filled(full, kept), columns))).toBeLessThan(1e-5)
    }),
  )
})

it('holds the groups that are kept and no others', () => {
  const kept = [0, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0]
  const matrix = groupSparseOf(
    Float32Array.from(kept, (_, i) => i),
    kept,
    2,
    8,
    4,
  )
  expect([[...matrix.starts], [...matrix.groups], [...matrix.values]]).toEqual([[0, 1, 2], [1, 0], [4, 5, 6, 7, 0, 9, 0, 0]]) // prettier-ignore
})

it('refuses masks of another pattern and groups that do not divide rows', () => {
  const half = { rows: 1, columns: 8, values: new Float32Array(4) }
  expect(() => twoOfFourMatMul({ ...half, mask: Uint8Array.of(0x0f) })).toThrow(
    'The mask of a (1, 8) matrix does not keep two of every four columns.\nPrune it 2:4, with columns in multiples of 8, or',
  )
  expect(() => twoOfFourMatMul({ ...half, columns: 12, mask: Uint8Array.of(0x33, 0x3) })).toThrow(
    expect.objectContaining({ code: 'SHAPE' }),
  )
  expect(() => groupSparseOf(new Float32Array(8), new Uint8Array(8), 1, 8, 6)).toThrow(
    'Rows of 8 columns do not fall into groups of 6.\nChoose a multiple of 4 that divides the columns.',
  )
})
