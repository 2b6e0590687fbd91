import * as fc from 'fast-check'
import { roundingErrors } from './rounding-error.js'
import { roundingErrorsReference } from './rounding.reference.js'

it('leaves by hand what two bits cannot hold of a scaled row', async () => {
  // 2 · (0.4, 1, −0.2) = (0.8, 2, −0.4): scale 4/3, steps 1, 2 of which there is but 1, and 0: they stand for 2 · (⅔, ⅔, 0)
  const grid = { columns: 3, run: 3, joint: false, symmetric: true, bits: 2 }
  const errors = await roundingErrors(Float32Array.of(0.4, 1, -0.2), Float32Array.of(2, 2, 2), grid, new Float32Array(3))
  expect([...errors]).toEqual([2 / 3 - 0.4, 2 / 3 - 1, 0.2].map(value => expect.closeTo(value, 6) as number))
})

it('gives what plain loops give', () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 23 }),
      fc.integer({ min: 1, max: 9 }),
      fc.record({ joint: fc.boolean(), symmetric: fc.boolean(), bits: fc.integer({ min: 1, max: 8 }) }),
      fc.infiniteStream(fc.float({ noNaN: true, noDefaultInfinity: true, min: -100, max: 100 })),
      async (rows, columns, group, how, numbers) => {
        const take = (count: number): Float32Array => Float32Array.from({ length: count }, () => numbers.next().value as number)
        const [values, factors] = [take(rows * columns), take(columns).map(value => 0.5 + Math.abs(value))]
        const grid = { ...how, columns, run: how.joint ? columns : Math.min(group, columns) }
        const errors = await roundingErrors(values, factors, grid, new Float32Array(values.length))
        expect([...errors].map(value => value + 0)).toEqual(roundingErrorsReference(values, factors, grid).map(value => value + 0))
      },
    ),
  ))
