import * as fc from 'fast-check'
import { keepLargest, keepLargestOfAll, keepLargestOfRows, keepLargestOfRuns, type Marking } from './keep-largest.js'
import { runRowsHere } from './pool.js'
import { runs } from './values.reference.js'

fc.configureGlobal({ numRuns: runs(100) })

/** Sorts by value, NaN last, equals as they stand, and marks all but the first `count`. */
const reference = (scores: readonly number[], count: number): number[] => {
  const size = (value: number): number => (Number.isNaN(value) ? Infinity : value)
  const order = scores
    .map((_, i) => i)
    .sort((a, b) => {
      if (Number.isNaN(scores[a]) !== Number.isNaN(scores[b])) return Number.isNaN(scores[a]) ? 1 : -1
      return size(scores[a]) - size(scores[b]) || a - b // -0 is 0
    })
  const gone = new Set(order.slice(0, count))
  return scores.map((_, i) => (gone.has(i) ? 0 : 1))
}

const run = ({ job, kept }: Marking): number[] => {
  runRowsHere(job)
  return [...kept]
}

const SMALLEST = 2 ** -149
const LARGE = 2 ** 127
const scores = fc.oneof(fc.float(), fc.constantFrom(0, -0, 1, 1, -1, NaN, Infinity, -Infinity, SMALLEST))
/** Numbers that float32 holds: the reference compares doubles. */
const finite = (value: number): number => (value === Infinity ? LARGE : value === -Infinity ? -LARGE : value)
const matrices = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 21 })).chain(([rows, columns]) =>
  fc.record({
    columns: fc.constant(columns),
    values: fc.array(scores.map(finite), { minLength: rows * columns, maxLength: rows * columns }),
  }),
)
const rowsOf = ({ columns, values }: { readonly columns: number; readonly values: readonly number[] }): number[][] =>
  Array.from({ length: values.length / columns }, (_, row) => values.slice(row * columns, (row + 1) * columns))

it('keeps the largest of all, as sorting tells', () =>
  fc.assert(
    fc.asyncProperty(matrices, fc.double({ min: 0, max: 1, noNaN: true }), async ({ values }, share) => {
      const count = Math.floor(values.length * share)
      expect([...keepLargest(Float32Array.from(values), count)]).toEqual(reference(values, count))
      expect([...(await keepLargestOfAll(Float32Array.from(values), count))]).toEqual(reference(values, count))
    }),
  ))

it('keeps the largest of several parts, and lets the first of equals go across them', async () => {
  const scores = Float32Array.from({ length: 2 ** 19 + 77 }, (_, i) => (i % 3 === 0 ? 0.5 : Math.sin(i)))
  const sorted = scores.slice().sort()
  for (const count of [1, 2 ** 18, 401_001, scores.length]) {
    const last = sorted[count - 1] // of those that go; of its equals the first
    let equals = count - sorted.indexOf(last)
    const expected = new Uint8Array(scores.length)
    for (let i = 0; i < scores.length; i++) expected[i] = scores[i] < last || (scores[i] === last && equals-- > 0) ? 0 : 1
    expect(Buffer.from(await keepLargestOfAll(scores, count)).equals(expected)).toBe(true)
    expect(Buffer.from(keepLargest(scores, count)).equals(expected)).toBe(true)
  }
})

it('keeps the largest of each row, as sorting tells', () => {
  fc.assert(
    fc.property(matrices, fc.double({ min: 0, max: 1, noNaN: true }), (matrix, share) => {
      const count = Math.floor(matrix.columns * share)
      const expected = rowsOf(matrix).flatMap(row => reference(row, count))
      expect(run(keepLargestOfRows(Float32Array.from(matrix.values), matrix.columns, count))).toEqual(expected)
    }),
  )
})

it('keeps n of every m neighbours, as sorting tells, and of a shorter last run its share', () => {
  fc.assert(
    fc.property(matrices, fc.integer({ min: 1, max: 8 }), fc.double({ min: 0, max: 1, noNaN: true }), (matrix, m, share) => {
      const n = Math.max(1, Math.round(m * share))
      const expected = rowsOf(matrix).flatMap(row =>
        Array.from({ length: Math.ceil(row.length / m) }, (_, i) => row.slice(i * m, (i + 1) * m)).flatMap(part =>
          reference(part, part.length - Math.ceil((n * part.length) / m)),
        ),
      )
      expect(run(keepLargestOfRuns(Float32Array.from(matrix.values), matrix.columns, [n, m]))).toEqual(expected)
    }),
  )
})

it('lets the first of equals go', () => {
  expect([...keepLargest(Float32Array.of(1, 2, 1, 1), 2)]).toEqual([0, 1, 0, 1])
  expect(run(keepLargestOfRuns(Float32Array.of(5, 5, 5, 5), 4, [2, 4]))).toEqual([0, 0, 1, 1])
})
