import { roundToE2m1 } from '@tersor/kernels'
import '@tensorflow/tfjs-backend-cpu'
import { describeMethod, applyMethod, useEngine, valuesOf } from '@tersor/testing'
import { bitsPerWeight, toInt32, type Dense, type Encoded } from '@tersor/tensor'
import { mxfp4 } from './mxfp4.js'

describeMethod(() => mxfp4())

useEngine()

const exponents = (tree: Encoded): number[] => [...toInt32((tree.parts.scale as Encoded).parts.exponent as Dense)]

it('rounds by hand', async () => {
  // max 7: e = 2 − 2 = 0; 7 becomes 6, ties 2.5 → 2, 3.5 → 4, 5 → 4, 0.25 → 0, 0.75 → 1
  const tree = (await applyMethod(mxfp4(), { weight: [[7, 2.5, 3.5, -5, 0.25, 0.75, -0.2, 1.7]] })) as Encoded
  expect(exponents(tree)).toEqual([127])
  expect([...toInt32(tree.parts.data as Dense)]).toEqual([7, 4, 6, 14, 0, 2, 0, 3])
  expect(await valuesOf(tree)).toEqual([[6, 2, 4, -4, 0, 1, 0, 1.5]])
})

it('takes the exponent of the largest weight of each 32 columns', async () => {
  const row = Array.from({ length: 65 }, (_, i) => (i === 3 ? 1 : i === 40 ? -0.0625 : i === 64 ? 1023.9 : 0))
  const tree = (await applyMethod(mxfp4(), { weight: [row] })) as Encoded
  expect(exponents(tree)).toEqual([127 - 2, 127 - 6, 127 + 7])
  const [values] = await valuesOf(tree)
  expect([values[3], values[40], values[64], values[0]]).toEqual([1, -0.0625, 768, 0])
})

it('keeps tiny and zero weights finite', async () => {
  const tree = (await applyMethod(mxfp4(), { weight: [[1e-38, 0], [0, 0]] })) as Encoded // prettier-ignore
  expect(exponents(tree)).toEqual([0, 0])
  expect((await valuesOf(tree)).flat().every(Number.isFinite)).toBe(true)
})

it('spends 4.25 bits a weight', async () => {
  expect(bitsPerWeight(await applyMethod(mxfp4(), { weight: [Array.from({ length: 64 }, (_, i) => i)] }))).toBe(4.25)
})

it('encodes each 4-bit float as itself', async () => {
  const magnitudes = [0, 0.5, 1, 1.5, 2, 3, 4, 6]
  const values = Float32Array.from([...magnitudes, ...magnitudes.map(value => -value)])
  const codes = await roundToE2m1(values, { columns: 16, run: 16, scales: Float64Array.of(1) })
  expect([...codes]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14, 15])
})

it('has no options of its own', () => {
  expect(() => mxfp4({ block: 16 } as object)).toThrow('mxfp4 has no option "block".')
})
