import * as tf from '@tensorflow/tfjs-core'
import fc from 'fast-check'
import '@tersor/backend-ort'
import {
  cholesky,
  inverseCholeskyUpper,
  nthElement,
  qr,
  randomizedSvd,
  svd,
  symmetricEigen,
  topK,
  triangularInverse,
} from '@tersor/kernels'
import * as reference from './linear-algebra.reference.js'
import { runs, tensor, values } from './values.reference.js'

const { away, identity, positiveDefinite, product, transpose } = reference
const seeds = fc.integer({ min: 1, max: 1000 })

beforeAll(async () => {
  const wanted = process.env['TERSOR_ENGINE'] ?? 'ort'
  await tf.setBackend(wanted)
  expect(tf.getBackend()).toBe(wanted)
})

let tensors = 0
beforeEach(() => void (tensors = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(tensors))

describe('cholesky', () => {
  it('gives the factor computed by hand', async () => {
    expect(await cholesky(Float32Array.of(4, 99, 2, 10), 2)).toEqual(Float32Array.of(2, 0, 1, 3))
  })

  it('agrees with the textbook, within and beyond one panel', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, async seed => {
        for (const n of [1, 2, 17, 128, 129, 260]) {
          const a = positiveDefinite(n, seed)
          expect(away(reference.cholesky(a, n), await cholesky(a, n))).toBeLessThan(1e-5)
        }
      }),
      { numRuns: runs(5) },
    )
  })

  it('puts a matrix of many panels together again', async () => {
    const n = 520
    const a = tf.tidy(() => tf.add(tf.matMul(tensor([n, n], 5), tensor([n, n], 5), false, true), tf.mul(tf.eye(n), 50)))
    const lower = tf.tensor2d(await cholesky(await a.data<'float32'>(), n), [n, n])
    const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(a, tf.matMul(lower, lower, false, true)))))
    const scale = tf.tidy(() => tf.max(a))
    expect((await difference.data())[0] / (await scale.data())[0]).toBeLessThan(1e-6)
    tf.dispose([a, lower, difference, scale])
  })

  it('tells of a matrix that is not positive definite', async () => {
    await expect(cholesky(Float32Array.of(1, 2, 2, 1), 2)).rejects.toMatchObject({
      code: 'NOT_POSITIVE_DEFINITE',
      message:
        'The matrix is not positive definite: pivot 1 is -3.\nRaise the damping, calibrate with more data, or look for NaN in the inputs.',
      fields: { index: 1, pivot: -3 },
    })
    const late = positiveDefinite(300, 1)
    late[290 * 301] = -1
    await expect(cholesky(late, 300)).rejects.toMatchObject({ fields: { index: 290 } })
    await expect(cholesky(Float32Array.of(NaN), 1)).rejects.toMatchObject({ code: 'NOT_POSITIVE_DEFINITE' })
  })
})

it('triangularInverse times the matrix is the identity', async () => {
  for (const n of [1, 5, 128, 260]) {
    const lower = await cholesky(positiveDefinite(n, n), n)
    expect(away(identity(n), product(await triangularInverse(lower, n), lower, n, n, n))).toBeLessThan(1e-5)
  }
})

describe('inverseCholeskyUpper', () => {
  it('gives an upper factor with U·H·Uᵀ = I', async () => {
    for (const n of [1, 3, 130, 260]) {
      const h = positiveDefinite(n, n + 1)
      const upper = await inverseCholeskyUpper(h.slice(), n)
      expect(upper.every((value, at) => Math.floor(at / n) <= at % n || value === 0)).toBe(true)
      expect(away(identity(n), product(product(upper, h, n, n, n), transpose(upper, n, n), n, n, n))).toBeLessThan(1e-4)
    }
  })

  it('stays sound when the matrix is nearly singular', async () => {
    const n = 200
    const x = values(50 * n, 3)
    const gram = product(transpose(x, 50, n), x, n, 50, n)
    const trace = gram.reduce((sum, value, at) => (at % (n + 1) === 0 ? sum + value : sum), 0)
    const h = Float32Array.from(gram, (value, at) => (at % (n + 1) === 0 ? value + (0.01 * trace) / n : value))
    const upper = await inverseCholeskyUpper(h.slice(), n)
    expect(away(identity(n), product(product(upper, h, n, n, n), transpose(upper, n, n), n, n, n))).toBeLessThan(1e-3)
  })
})

/** Largest entries of V·Vᵀ − I and of V·A − diag(values)·V, the latter against the largest |value|. */
async function faultsOf(a: tf.Tensor2D, values: Float64Array, rows: Float32Array): Promise<readonly [number, number]> {
  const n = a.shape[0]
  const [turned, residual] = tf.tidy(() => {
    const v = tf.tensor2d(rows, [n, n])
    const scaled = tf.mul(v, tf.tensor2d(Float32Array.from(values), [n, 1]))
    return [tf.max(tf.abs(tf.sub(tf.matMul(v, v, false, true), tf.eye(n)))), tf.max(tf.abs(tf.sub(tf.matMul(v, a), scaled)))]
  })
  const result = [(await turned!.data())[0], (await residual!.data())[0] / Math.max(...values.map(Math.abs), 1e-30)] as const
  tf.dispose([turned, residual])
  return result
}

describe('symmetricEigen', () => {
  it('gives the values of a 2 × 2 matrix computed by hand', async () => {
    const { values, vectors } = await symmetricEigen([2, 0, 1, 2], 2)
    expect(away([1, 3], values)).toBeLessThan(1e-7)
    expect(Math.abs(vectors[2] - vectors[3])).toBeLessThan(1e-7)
  })

  it('puts the matrix together again, with orthonormal vectors', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(1, 2, 3, 10, 33, 61, 130), seeds, fc.boolean(), async (n, seed, block) => {
        const x = values(n * n, seed)
        const a = Float64Array.from({ length: n * n }, (_, at) => {
          const [i, j] = [Math.floor(at / n), at % n]
          return block && i % 2 !== j % 2 ? 0 : x[Math.max(i, j) * n + Math.min(i, j)]
        })
        const { values: d, vectors: rows } = await symmetricEigen(a, n)
        const scaled = Float64Array.from(rows, (value, at) => value * d[Math.floor(at / n)])
        expect(away(a, product(transpose(rows, n, n), scaled, n, n, n))).toBeLessThan(5e-6)
        expect(away(identity(n), product(rows, transpose(rows, n, n), n, n, n))).toBeLessThan(5e-6)
        expect([...d]).toEqual([...d].sort((p, q) => p - q))
      }),
      { numRuns: runs(30) },
    )
  })

  it('is as exact for clustered values, low rank and sizes beyond one block', async () => {
    const low = tf.tidy(() => tf.matMul(tensor([40, 300], 1), tensor([40, 300], 1), true) as tf.Tensor2D)
    const clustered = tf.tidy(
      () => tf.add(tf.eye(257), tf.mul(tf.matMul(tensor([257, 3], 2), tensor([257, 3], 2), false, true), 1e-4)) as tf.Tensor2D,
    )
    const glued = tf.tidy(() => tf.diag(tf.tensor1d(Float32Array.from({ length: 140 }, (_, i) => Math.floor(i / 20)))) as tf.Tensor2D)
    for (const a of [low, clustered, glued]) {
      const { values: found, vectors } = await symmetricEigen(await a.data(), a.shape[0])
      for (const fault of await faultsOf(a, found, vectors)) expect(fault).toBeLessThan(1e-5)
      a.dispose()
    }
  })

  it('finds repeated values, zeros and the identity', async () => {
    for (const n of [3, 50]) {
      expect(away(new Float64Array(n).fill(1), (await symmetricEigen(identity(n), n)).values)).toBe(0)
      expect(away(new Float64Array(n), (await symmetricEigen(new Float64Array(n * n), n)).values)).toBe(0)
      const ones = (await symmetricEigen(new Float64Array(n * n).fill(1), n)).values
      expect(away([...new Float64Array(n - 1), n], ones)).toBeLessThan(1e-6)
    }
  })

  it('tells of NaN', async () => {
    await expect(symmetricEigen([1, 0, NaN, 1], 2)).rejects.toMatchObject({
      code: 'NOT_FINITE',
      message: 'The matrix has NaN in row 1, column 0.\nLook for NaN or infinity in the inputs it was made from.',
    })
  })
})

describe('qr', () => {
  it('gives the factors computed by hand', () => {
    const { q, r } = qr(Float32Array.of(3, 5, 4, 10), 2, 2)
    expect(away([-0.6, -0.8, -0.8, 0.6], q)).toBeLessThan(1e-6)
    expect(away([-5, -11, 0, 2], r)).toBeLessThan(1e-6)
  })

  it('puts the matrix together again, also of low rank', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(30), fc.nat(20), seeds, (columns, more, rank, seed) => {
        const rows = columns + more
        const a = Float32Array.from(product(values(rows * rank, seed), values(rank * columns, seed + 1), rows, rank, columns))
        const { q, r } = qr(a, rows, columns)
        expect(away([...a, 1], [...product(q, r, rows, columns, columns), 1])).toBeLessThan(1e-5)
        expect(away(identity(columns), product(transpose(q, rows, columns), q, columns, rows, columns))).toBeLessThan(1e-5)
        expect(r.every((value, at) => Math.floor(at / columns) <= at % columns || value === 0)).toBe(true)
      }),
      { numRuns: runs(50) },
    )
  })

  it('refuses a wide matrix', () => {
    expect(() => qr(new Float32Array(6), 2, 3)).toThrow('A thin QR needs no more columns than rows, got 2 × 3.\nTranspose the matrix.')
  })
})

describe('svd', () => {
  it('puts the matrix together again, wide and tall and of low rank', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 40 }),
        seeds,
        async (rows, columns, rank, seed) => {
          const a = Float32Array.from(product(values(rows * rank, seed), values(rank * columns, seed + 1), rows, rank, columns))
          const k = Math.min(rows, columns)
          const { u, s, v } = await svd(a, rows, columns)
          const scaled = Float64Array.from(u, (value, at) => value * s[at % k])
          const rebuilt = product(scaled, transpose(v, columns, k), rows, k, columns)
          expect(away([...a, 1], [...rebuilt, 1])).toBeLessThan(1e-5)
          for (const [vectors, length] of [
            [u, rows],
            [v, columns],
          ] as const)
            // prettier-ignore
            expect(away(identity(k), product(transpose(vectors, length, k), vectors, k, length, k))).toBeLessThan(1e-4)
          expect([...s]).toEqual([...s].sort((p, q) => q - p))
        },
      ),
      { numRuns: runs(50) },
    )
  })

  it('finds small singular values beside large ones', async () => {
    const n = 40
    const [u, v] = [qr(values(60 * n, 1), 60, n).q, qr(values(n * n, 2), n, n).q]
    const wanted = Float64Array.from({ length: n }, (_, i) => 10 ** (-i / 8)) // down to 10⁻⁵
    const scaled = u.map((value, at) => value * wanted[at % n])
    const { s } = await svd(product(scaled, transpose(v, n, n), 60, n, n), 60, n)
    for (let i = 0; i < n; i++) expect(Math.abs(s[i] / wanted[i] - 1)).toBeLessThan(1e-7 / wanted[i] + 1e-5)
  })
})

describe('randomizedSvd', () => {
  const rngOf = (seed: number) => {
    const list = values(100_000, seed)
    let at = 0
    return { uniform: () => (list[at++ % list.length] + 1) / 2 }
  }

  it('puts a matrix of low rank together again, wide and tall, and where the sample has more columns than the rank', async () => {
    for (const [rows, columns, rank, oversampling] of [
      [60, 40, 5, 0],
      [40, 60, 5, 3],
      [30, 30, 30, 8],
      [200, 150, 3, 8],
      [5, 1, 1, 8],
    ] as const) {
      const a = Float32Array.from(product(values(rows * rank, 1), values(rank * columns, 2), rows, rank, columns))
      const { u, s, v } = await randomizedSvd(a, rows, columns, rank, { rng: rngOf(3), oversampling })
      const scaled = Float64Array.from(u, (value, at) => value * s[at % rank])
      expect(away(a, product(scaled, transpose(v, columns, rank), rows, rank, columns))).toBeLessThan(1e-5)
      expect(away(identity(rank), product(transpose(u, rows, rank), u, rank, rows, rank))).toBeLessThan(1e-4)
      expect(away(identity(rank), product(transpose(v, columns, rank), v, rank, columns, rank))).toBeLessThan(1e-4)
    }
  })

  it('comes close to the exact values where they fall slowly, the closer the more iterations', async () => {
    const a = values(60 * 50, 4)
    const exact = (await svd(a, 60, 50)).s
    const errors: number[] = []
    for (const iterations of [0, 2, 8]) {
      const { s } = await randomizedSvd(a, 60, 50, 10, { rng: rngOf(1), iterations })
      errors.push(Math.max(...s.map((value, i) => Math.abs(1 - value / exact[i]))))
    }
    expect(errors[0]).toBeGreaterThan(errors[1])
    expect(errors[1]).toBeGreaterThan(errors[2])
    expect(errors[2]).toBeLessThan(1e-3)
  })

  it('gives the same bytes for the same numbers, and refuses counts that make no sense', async () => {
    const a = values(30 * 20, 4)
    const [one, other] = [await randomizedSvd(a, 30, 20, 4, { rng: rngOf(1) }), await randomizedSvd(a, 30, 20, 4, { rng: rngOf(1) })]
    expect(one).toEqual(other)
    await expect(randomizedSvd(a, 30, 20, 21, { rng: rngOf(1) })).rejects.toMatchObject({
      code: 'BAD_OPTION',
      message: 'randomizedSvd got rank = 21.\nPass an integer from 1 to 20.',
    })
    await expect(randomizedSvd(a, 30, 20, 2, { rng: rngOf(1), iterations: 0.5 })).rejects.toMatchObject({
      message: 'randomizedSvd got iterations = 0.5.\nPass an integer of at least 0.',
    })
  })
})

describe('nthElement', () => {
  it('gives what sorting gives', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: false }), { minLength: 1, maxLength: 200 }), fc.nat(), (list, pick) => {
        const index = pick % list.length
        const sorted = Float32Array.from(list).sort()
        const got = nthElement(Float32Array.from(list), index)
        expect(got === sorted[index] || Object.is(got, sorted[index])).toBe(true)
      }),
    )
  })

  it('is quick on equal and on sorted values', () => {
    const equal = new Float32Array(200_000)
    expect(nthElement(equal, 100_000)).toBe(0)
    const sorted = Float32Array.from({ length: 200_000 }, (_, at) => at)
    expect(nthElement(sorted, 177_777)).toBe(177_777)
  })
})

describe('topK', () => {
  it('gives the positions of the largest, first ones first among equals', () => {
    expect([...topK(Float32Array.of(1, 5, NaN, 5, 2, 9), 4)]).toEqual([5, 1, 3, 4])
    expect([...topK(Float32Array.of(1, 2), 9)]).toEqual([1, 0])
    expect([...topK(Float32Array.of(1, 2), 0)]).toEqual([])
  })

  it('gives what sorting gives', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -5, max: 5 }), { maxLength: 100 }), fc.nat(100), (list, k) => {
        const order = list.map((_, at) => at).sort((a, b) => list[b] - list[a] || a - b)
        expect([...topK(Float32Array.from(list), k)]).toEqual(order.slice(0, k))
      }),
    )
  })
})
