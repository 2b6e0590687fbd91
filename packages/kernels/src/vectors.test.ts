import { thinTimesTransposed, timesThin, transposedTimesThin, orthonormalize } from './thin-products.js'
import { decayInto, decaySquares, overRoots, packSigns, placesOfLargest, unpackSigns } from './vectors.js'
import { values } from './values.reference.js'

describe('placesOfLargest', () => {
  it.each([10, 20_000])('finds what sorting %d numbers finds, of equals the first', length => {
    const numbers = values(length, 3).map((value, i) => (i % 7 === 0 ? 0.5 : value))
    const order = Array.from(numbers.keys()).sort((a, b) => Math.abs(numbers[b]) - Math.abs(numbers[a]) || a - b)
    for (const count of [1, 3, Math.floor(length / 2), length]) {
      expect([...placesOfLargest(numbers, count)]).toEqual(order.slice(0, count).sort((a, b) => a - b))
    }
  })

  it('takes zeros where there is nothing else', () => {
    expect([...placesOfLargest(new Float32Array(20_000), 2)]).toEqual([0, 1])
  })
})

it('packs signs with the first in the highest bit', () => {
  expect([...packSigns(Float32Array.of(1, -1, 0, -2, -3, -4, -5, 6, 7))]).toEqual([0b10100001, 0b10000000])
  const into = new Float32Array(9)
  unpackSigns(Uint8Array.of(0b10100001, 0b10000000), 2, into)
  expect([...into]).toEqual([2, -2, 2, -2, -2, -2, -2, 2, 2])
})

it('decays: 0.5 · 4 + 3 · 2', () => {
  const a = Float32Array.of(4)
  decayInto(a, 0.5, Float32Array.of(2), 3)
  expect([...a]).toEqual([8])
})

it('decays squares, 0.5 · 4 + 0.5 · 3², and divides by roots, 6 / (√4 + 1)', () => {
  const a = Float32Array.of(4)
  decaySquares(a, 0.5, Float32Array.of(3))
  expect([...a]).toEqual([6.5])
  const into = Float32Array.of(0)
  overRoots(Float32Array.of(6), Float32Array.of(4), 1, into)
  expect([...into]).toEqual([2])
})

describe('thin products', () => {
  // M = [[1, 2, 3], [4, 5, 6]], Q = [[1, 0], [0, 1], [1, 1]], P = [[1, 2], [3, 4]]
  const m = Float32Array.of(1, 2, 3, 4, 5, 6)
  it('are what they are by hand', () => {
    expect([...timesThin(m, Float32Array.of(1, 0, 0, 1, 1, 1), 2, 3, 2)]).toEqual([4, 5, 10, 11])
    expect([...transposedTimesThin(m, Float32Array.of(1, 2, 3, 4), 2, 3, 2)]).toEqual([13, 18, 17, 24, 21, 30])
    const into = new Float32Array(6)
    thinTimesTransposed(Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 0, 0, 1, 1, 1), 2, into)
    expect([...into]).toEqual([1, 2, 3, 3, 4, 7])
  })

  it('make columns orthonormal, and one that depends on those before 0', () => {
    const p = Float32Array.of(3, 6, 1, 4, 8, 0)
    orthonormalize(p, 2, 3)
    const columns = [0, 1, 2].map(k => [p[k], p[3 + k]])
    expect(columns[0][0]).toBeCloseTo(0.6, 6)
    expect(columns[0][1]).toBeCloseTo(0.8, 6)
    expect(columns[1].map(Math.abs)).toEqual([0, 0])
    expect(columns[2][0]).toBeCloseTo(0.8, 6)
    expect(columns[2][1]).toBeCloseTo(-0.6, 6)
  })
})
