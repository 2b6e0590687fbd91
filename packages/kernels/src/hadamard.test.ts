import fc from 'fast-check'
import { hadamard } from '@tersor/kernels'
import { away } from './linear-algebra.reference.js'
import { runs, values } from './values.reference.js'

fc.configureGlobal({ numRuns: runs(100) })

/** Entry (i, j) of the unscaled matrix is −1 where i and j, below 256, share an odd number of bits. */
const entry = (i: number, j: number): number => {
  let shared = i & j
  for (const shift of [4, 2, 1]) shared ^= shared >> shift
  return shared & 1 ? -1 : 1
}

it('transforms four numbers worked by hand', () => {
  expect([...hadamard(Float32Array.of(1, 2, 3, 4), 4)]).toEqual([5, -1, -2, 0])
  expect([...hadamard(Float32Array.of(1, 2, 3), 1)]).toEqual([1, 2, 3])
})

it('agrees with the matrix in plain loops, block by block, and is its own inverse', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(1, 2, 4, 8, 64, 256),
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1, max: 99 }),
      (block, count, seed) => {
        const x = values(block * count, seed)
        const wanted = Array.from(x, (_, at) => {
          const [start, i] = [at - (at % block), at % block]
          let sum = 0
          for (let j = 0; j < block; j++) sum += entry(i, j) * x[start + j]
          return sum / Math.sqrt(block)
        })
        const once = hadamard(x, block)
        expect(away(wanted, once)).toBeLessThan(1e-5)
        expect(away(x, hadamard(once, block))).toBeLessThan(1e-5)
      },
    ),
  )
})

it('goes through more numbers than fit at once', () => {
  const x = values(2 ** 20 + 3 * 2048, 1)
  const all = hadamard(x, 2048)
  expect([...all.subarray(-2048)]).toEqual([...hadamard(x.slice(-2048), 2048)])
})

it('refuses lengths that are no power of two, or do not divide', () => {
  for (const [length, block] of [
    [12, 3],
    [6, 4],
    [4, 0],
  ] as const)
    expect(() => hadamard(new Float32Array(length), block)).toThrow(
      `A Hadamard transform of ${length} numbers cannot go by blocks of ${block}.\nPass a power of two that divides the length.`,
    )
})
