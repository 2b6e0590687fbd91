import * as fc from 'fast-check'
import { halfQuadratic } from './half-quadratic.js'
import { halfQuadraticReference, shrink } from './half-quadratic.reference.js'
import { runs } from './values.reference.js'

it('shrinks as worked by hand', () => {
  // 0.5 − 0.5^−0.3 / 10 = 0.5 − 0.12311
  expect(shrink(0.5, 0.7, 10)).toBeCloseTo(0.3769, 4)
  expect(shrink(-0.5, 0.7, 10)).toBeCloseTo(-0.3769, 4)
  expect([shrink(0.05, 0.7, 10), shrink(0, 0.7, 10)]).toEqual([0, 0])
})

// powers differ in the last bit of a double from those of plain JavaScript: a zero, a half, would differ once in 10¹¹ groups
it('gives the codes and zeros of plain loops, from weights that shrinking leaves alone to outliers', async () => {
  const sizes = fc.record({
    columns: fc.integer({ min: 1, max: 40 }),
    group: fc.integer({ min: 1, max: 12 }),
    rows: fc.integer({ min: 1, max: 4 }),
  })
  const settings = fc.record({
    bits: fc.integer({ min: 1, max: 8 }),
    norm: fc.constantFrom(0.3, 0.7, 1, 1.5, 2, 2.5),
    beta: fc.constantFrom(0.5, 1, 10, 1e4),
    iterations: fc.integer({ min: 0, max: 20 }),
  })
  const power = fc.integer({ min: -24, max: 8 })
  await fc.assert(
    fc.asyncProperty(
      sizes,
      settings,
      power,
      fc.infiniteStream(fc.integer({ min: -1000, max: 1000 })),
      async (size, rest, exponent, numbers) => {
        const [columns, group] = [size.columns, Math.min(size.group, size.columns)]
        const weights = Float32Array.from({ length: size.rows * size.columns }, () => Number(numbers.next().value) * 2 ** exponent)
        const scales = Float32Array.from({ length: size.rows * Math.ceil(columns / group) }, () => (1 + Math.abs(Number(numbers.next().value))) * 2 ** (exponent - rest.bits)) // prettier-ignore
        const options = { columns, group, scales, ...rest }
        expect(await halfQuadratic(weights, options)).toEqual(halfQuadraticReference(weights, options))
      },
    ),
    { numRuns: runs(300) },
  )
})
