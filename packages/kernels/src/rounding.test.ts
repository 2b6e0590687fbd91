import * as fc from 'fast-check'
import { runRowsHere } from './pool.js'
import { absmaxOfRuns, nearestLevels, rangesOfRuns, roundToE2m1, roundToFloat8, roundToLines } from './rounding.js'
import { e2m1Reference, float8Reference, levelsReference, linesReference, runsOf } from './rounding.reference.js'
import { packBits, unpackBits } from '@tersor/tensor'

const numbers = fc.oneof(
  fc.integer({ min: -64, max: 64 }).map(steps => steps / 4), // many of them ties
  fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e4, max: 1e4 }),
)
const matrices = fc
  .record({ rows: fc.integer({ min: 1, max: 5 }), columns: fc.integer({ min: 1, max: 23 }), run: fc.integer({ min: 1, max: 9 }) })
  .chain(({ rows, columns, run }) =>
    fc.record({
      rows: fc.constant(rows),
      columns: fc.constant(columns),
      run: fc.constant(Math.min(run, columns)),
      values: fc.array(numbers, { minLength: rows * columns, maxLength: rows * columns }).map(values => Float32Array.from(values)),
      scales: fc.array(fc.constantFrom(0.25, 0.3, 1, 7.1), { minLength: rows * columns, maxLength: rows * columns }),
    }),
  )

it('finds the least, the largest and the largest magnitude of each run', () =>
  fc.assert(
    fc.asyncProperty(matrices, async ({ values, columns, run }) => {
      const runs = runsOf(values, { columns, run })
      const { low, high } = await rangesOfRuns(values, { columns, run })
      expect([...low].map(value => value + 0)).toEqual(runs.map(each => Math.min(...each) + 0)) // −0 is 0
      expect([...high].map(value => value + 0)).toEqual(runs.map(each => Math.max(...each) + 0))
      expect([...(await absmaxOfRuns(values, { columns, run }))]).toEqual(runs.map(each => Math.max(...each.map(Math.abs))))
    }),
  ))

it('takes runs that go on over the flattened tensor, the last one shorter', async () => {
  expect([...(await absmaxOfRuns(Float32Array.of(1, -2, 3, -4, 5), { columns: 2, run: 2 }))]).toEqual([2, 4, 5])
})

it('rounds to the line of each run, or to one line for all rows', () =>
  fc.assert(
    fc.asyncProperty(
      matrices,
      fc.integer({ min: 1, max: 8 }),
      fc.boolean(),
      async ({ values, rows, columns, run, scales }, bits, joint) => {
        const count = Math.ceil(columns / run) * (joint ? 1 : rows)
        const zeros = Float32Array.from({ length: count }, (_, i) => i % 2 ** bits)
        const lines = { columns, run, bits, scales: Float32Array.from(scales.slice(0, count)), zeros }
        expect([...(await roundToLines(values, lines))]).toEqual(linesReference(values, lines))
      },
    ),
  ))

it('rounds halves to the even code', async () => {
  const lines = { columns: 6, run: 6, bits: 4, scales: Float32Array.of(2), zeros: Float32Array.of(8) }
  expect([...(await roundToLines(Float32Array.of(1, 3, 5, -1, -3, 100), lines))]).toEqual([8, 10, 10, 8, 6, 15])
})

it('takes the nearest level of a table, the lower one of two as near', async () => {
  const table = { names: [3, 0, 2, 1], middles: [-1.5, 0, 1.5] }
  await fc.assert(
    fc.asyncProperty(matrices, async ({ values, run, scales }) => {
      const perRun = Float32Array.from(scales.slice(0, Math.ceil(values.length / run)))
      expect([...(await nearestLevels(values, table, { run, scales: perRun }))]).toEqual(levelsReference(values, table, run, perRun))
    }),
  )
  expect([...(await nearestLevels(Float32Array.of(0, 0.1, -9), table, { run: 3, scales: Float32Array.of(0) }))]).toEqual([0, 1, 3])
})

it('rounds to 4-bit floats, ties to the even code, and to 0 where the scale is 0', () =>
  fc.assert(
    fc.asyncProperty(matrices, fc.boolean(), async ({ values, rows, columns, run, scales }, empty) => {
      const runs = runsOf(values, { columns, run })
      const perRun = Float64Array.from({ length: rows * Math.ceil(columns / run) }, (_, i) => (empty && i % 2 === 0 ? 0 : scales[i]))
      const expected = runs.flatMap((each, i) => each.map(value => (perRun[i] === 0 ? 0 : e2m1Reference(value / perRun[i]))))
      expect([...(await roundToE2m1(values, { columns, run, scales: perRun }))]).toEqual(expected)
    }),
  ))

const FORMATS = [
  ['e4m3', { mantissa: 3, bias: 7, largest: 448 }],
  ['e5m2', { mantissa: 2, bias: 15, largest: 57344 }],
] as const

it.each(FORMATS)('rounds to 8-bit floats %s, subnormal ones and −0 as well, and stays below their largest', (format, float) =>
  fc.assert(
    fc.asyncProperty(matrices, fc.integer({ min: -20, max: 12 }), async ({ values: plain, rows, columns, scales }, power) => {
      const values = plain.map(value => value * 2 ** power)
      const perRow = Float32Array.from(scales.slice(0, rows))
      expect([...(await roundToFloat8(values, float, { columns, scales: perRow }))]).toEqual(
        float8Reference(values, format, columns, perRow),
      )
    }),
  ),
)

it('unpacks codes of 1 to 8 bits as plain loops do', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.uint8Array({ minLength: 1, maxLength: 90 }), (bits, codes) => {
      const packed = packBits(codes, bits)
      const back = new Uint8Array(codes.length)
      const buffers = {
        bytes: { role: 'in', array: packed, each: packed.length },
        back: { role: 'out', array: back, each: codes.length },
      } as const
      const calls = [['unpackCodes', { at: 'bytes' }, bits, { lengthOf: 'back' }, { at: 'back' }]] as const
      runRowsHere({ rows: 1, atOnce: 1, buffers, calls })
      expect(back).toEqual(unpackBits(packed, bits, codes.length))
    }),
  )
})
