import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { packBits } from '@tersor/tensor'
import * as fc from 'fast-check'
import { packedMatMul } from './packed-mat-mul.js'
import { blockMatrix, type PackedMatrix } from './packed-matrix.js'
import { packedProduct } from './packed-product.js'
import { multiplied, unpacked } from './packed.reference.js'
import { runs, values as signed } from './values.reference.js'

interface Case {
  readonly rows: number
  readonly columns: number
  readonly bits: number
  readonly group: number
  readonly withZeros: boolean
  readonly seed: number
}

function matrixOf({ rows, columns, bits, group, withZeros, seed }: Case): PackedMatrix {
  const groups = Math.ceil(columns / group)
  const integers = (count: number, salt: number) =>
    Uint8Array.from(signed(count, seed + salt), value => Math.floor(Math.abs(value) * 2 ** bits))
  return {
    ...{ rows, columns, bits, group },
    codes: packBits(integers(rows * columns, 1), bits),
    scales: signed(rows * groups, seed + 2).map(value => value + 1.5),
    ...(withZeros && { zeros: integers(rows * groups, 3) }),
  }
}

const cases = fc.record({
  rows: fc.integer({ min: 1, max: 9 }),
  columns: fc.integer({ min: 1, max: 150 }),
  bits: fc.integer({ min: 1, max: 8 }),
  group: fc.constantFrom(16, 32, 48, 64, 128, 1000),
  withZeros: fc.boolean(),
  seed: fc.nat(1000),
})

const furthest = (got: ArrayLike<number>, wanted: readonly number[]): number =>
  wanted.reduce((most, value, at) => Math.max(most, Math.abs(got[at] - value)), 0) / (1 + Math.max(...wanted.map(Math.abs)))

it('multiplies by packed weights of any width as plain loops do', () => {
  fc.assert(
    fc.property(cases, fc.integer({ min: 1, max: 18 }), (each, count) => {
      const matrix = matrixOf(each)
      const x = signed(count * each.columns, each.seed + 9)
      const got = packedMatMul(blockMatrix(matrix)!)(x, count)
      const wanted = multiplied(x, unpacked(matrix), each.columns)
      // terms may cancel: what float32 loses goes by their sizes, not by their sum
      const sizes = multiplied(x.map(Math.abs), unpacked(matrix).map(Math.abs), each.columns)
      expect(wanted.findIndex((value, at) => !(Math.abs(got[at] - value) <= 1e-5 * (1 + sizes[at])))).toBe(-1)
    }),
    { numRuns: runs(200) },
  )
})

it('leaves groups without blocks of 16 columns to others', () => {
  expect(blockMatrix(matrixOf({ rows: 2, columns: 48, bits: 4, group: 24, withZeros: false, seed: 1 }))).toBeUndefined()
  expect(blockMatrix(matrixOf({ rows: 2, columns: 16, bits: 4, group: 24, withZeros: false, seed: 1 }))?.block).toBe(32)
})

it('shares codes that stand in blocks already', () => {
  const matrix = matrixOf({ rows: 2, columns: 64, bits: 4, group: 32, withZeros: false, seed: 1 })
  expect(blockMatrix(matrix)!.codes).toBe(matrix.codes)
})

describe.each(['ort', 'cpu'])('packedProduct on %s', backend => {
  beforeAll(async () => {
    await tf.setBackend(backend)
    expect(tf.getBackend()).toBe(backend)
  })

  it.each([
    [2, 64, 32, false, 'int8'],
    [3, 96, 32, false, 'int8'],
    [3, 96, 32, true, 'float32'],
    [4, 96, 32, false, 'int8'],
    [4, 100, 1000, true, 'int8'],
    [4, 100, 64, true, 'float32'],
    [4, 256, 128, false, 'float32'],
    [6, 64, 16, false, 'int8'],
    [8, 64, 32, true, 'int8'],
  ] as const)(
    'multiplies by %i bits, %i columns in groups of %i, zeros %s, activations %s',
    async (bits, columns, group, withZeros, activations) => {
      const before = tf.memory().numTensors
      const matrix = matrixOf({ rows: 33, columns, bits, group, withZeros, seed: bits })
      const product = packedProduct(matrix, { activations })!
      for (const count of [1, 5, 1]) {
        const x = signed(count * columns, 7)
        const y = tf.tidy(() => product.multiply(tf.tensor2d(x, [count, columns])))
        expect(y.shape).toEqual([count, 33])
        const exact = backend === 'cpu' || activations === 'float32'
        expect(furthest(await y.data(), multiplied(x, unpacked(matrix), columns))).toBeLessThan(exact ? 1e-5 : 2e-2)
        y.dispose()
      }
      product.dispose()
      expect(tf.memory().numTensors).toBe(before)
    },
  )

  it('goes on after another weight was freed', async () => {
    const [one, other] = [1, 2].map(seed => {
      const matrix = matrixOf({ rows: 8, columns: 32, bits: 4, group: 32, withZeros: false, seed })
      return { matrix, product: packedProduct(matrix, { activations: 'float32' })! }
    })
    const x = signed(32, 5)
    const run = async ({ matrix, product }: typeof one) => {
      const y = tf.tidy(() => product.multiply(tf.tensor2d(x, [1, 32])))
      expect(furthest(await y.data(), multiplied(x, unpacked(matrix), 32))).toBeLessThan(1e-5)
      y.dispose()
    }
    await run(one)
    await run(other)
    one.product.dispose()
    await run(other)
    other.product.dispose()
  })
})

it('leaves other widths unpacked in float32 on ONNX Runtime, which would unpack them at each product', async () => {
  await tf.setBackend('ort')
  expect(
    packedProduct(matrixOf({ rows: 2, columns: 32, bits: 8, group: 32, withZeros: false, seed: 1 }), { activations: 'float32' }),
  ).toBeUndefined()
})
