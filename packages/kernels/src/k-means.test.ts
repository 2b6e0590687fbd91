import fc from 'fast-check'
import { kMeans } from '@tersor/kernels'
import { lloyd, lossOf, nearest } from './k-means.reference.js'
import { runs, values } from './values.reference.js'

/** Numbers of [0, 1) that depend on the seed alone. */
const rngOf = (seed: number) => {
  const list = values(5000, seed)
  let at = 0
  return { uniform: () => Math.min(0.999999, (list[at++ % 5000] + 1) / 2) }
}
const rowsOf = (list: ArrayLike<number>, dimension: number): number[][] =>
  Array.from({ length: list.length / dimension }, (_, i) => Array.from({ length: dimension }, (_, at) => list[i * dimension + at]))

it('finds two clusters worked by hand, on a line and in the plane', () => {
  const line = kMeans(Float32Array.of(9, 1, 10, 2, 11, 3), { clusters: 2, rng: rngOf(1) })
  expect([[...line.centres], [...line.assignment], line.loss]).toEqual([[2, 10], [1, 0, 1, 0, 1, 0], 4])
  const plane = kMeans(Float32Array.of(0, 0, 0, 2, 8, 0, 8, 2), { clusters: 2, dimension: 2, rng: rngOf(1) })
  expect(rowsOf(plane.centres, 2).sort((a, b) => a[0] - b[0])).toEqual([
    [0, 1],
    [8, 1],
  ])
  expect(plane.loss).toBe(4)
})

it('counts points by their weights', () => {
  const { centres } = kMeans(Float32Array.of(0, 1, 10), { clusters: 2, weights: [3, 1, 1], rng: rngOf(2) })
  expect([...centres]).toEqual([0.25, 10])
})

it('ends where plain Lloyd stands still, at the nearest centres, with the loss it tells', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(1, 2, 3),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 5, max: 60 }),
      fc.nat(500),
      (dimension, clusters, count, seed) => {
        const points = values(count * dimension, seed + 1)
        const weights = Array.from(values(count, seed + 2), value => value + 1.5)
        const found = kMeans(points, { clusters, dimension, weights, iterations: 500, rng: rngOf(seed + 3) })
        const [rows, centres] = [rowsOf(points, dimension), rowsOf(found.centres, dimension)]
        const still = lloyd(rows, weights, centres)
        still.forEach((centre, j) => centre.forEach((value, at) => expect(Math.abs(value - centres[j][at])).toBeLessThan(1e-5)))
        expect(Math.abs(found.loss - lossOf(rows, weights, centres))).toBeLessThan(1e-4 * (1 + found.loss))
        rows.forEach((row, i) => {
          const own = centres[found.assignment[i]]
          const best = centres[nearest(row, centres)]
          expect(
            Math.hypot(...row.map((value, at) => value - own[at])) - Math.hypot(...row.map((value, at) => value - best[at])),
          ).toBeLessThan(1e-5)
        })
      },
    ),
    { numRuns: runs(60) },
  )
})

it('fills clusters as long as there are different points, and gives the same bytes for the same numbers', () => {
  for (const dimension of [1, 2]) {
    const points = Float32Array.from({ length: 40 * dimension }, (_, at) => Math.floor(at / dimension) % 4)
    const found = kMeans(points, { clusters: 4, dimension, rng: rngOf(5) })
    expect(found.loss).toBe(0)
    expect(new Set(found.assignment).size).toBe(4)
    expect(kMeans(points, { clusters: 4, dimension, rng: rngOf(5) })).toEqual(found)
    expect(kMeans(points, { clusters: 9, dimension, rng: rngOf(5) }).loss).toBe(0)
    const bad = { uniform: () => 0 } // seeds that all lie on one value would leave clusters empty
    expect(kMeans(Float32Array.of(...new Array(8 * dimension).fill(1), ...points), { clusters: 4, dimension, rng: bad }).loss).toBe(0)
  }
})

it('refuses options and points that make no sense', () => {
  const rng = rngOf(1)
  const points = Float32Array.of(1, 2, 3)
  const wrong = [
    [{ clusters: 4, rng }, 'kMeans got clusters = 4.\nPass an integer from 1 to the 3 points.'],
    [{ clusters: 1, dimension: 2, rng }, 'kMeans got dimension = 2.\nPass a number that divides the 3 numbers of the points.'],
    [{ clusters: 1, iterations: -1, rng }, 'kMeans got iterations = -1.\nPass an integer of at least 0.'],
    [{ clusters: 1, weights: [1], rng }, 'kMeans got weights = 1 numbers.\nPass 3, none negative.'],
  ] as const
  for (const [options, message] of wrong) expect(() => kMeans(points, options)).toThrow(message)
  expect(() => kMeans(Float32Array.of(1, NaN), { clusters: 1, rng })).toThrow(
    'kMeans got NaN at 1.\nLook for NaN or infinity in the points.',
  )
})
