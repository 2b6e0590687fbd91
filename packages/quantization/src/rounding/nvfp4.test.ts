import '@tensorflow/tfjs-backend-cpu'
import { describeMethod, randomRows, applyMethod, useEngine, valuesOf } from '@tersor/testing'
import { bitsPerWeight, toFloat32, toInt32, type Dense, type Encoded } from '@tersor/tensor'
import { nvfp4 } from './nvfp4.js'

describeMethod(() => nvfp4())

useEngine()

const scalesOf = (tree: Encoded): { readonly local: number[]; readonly whole: number } => {
  const { values, scale } = (tree.parts.scale as Encoded).parts
  return { local: [...toFloat32(values as Dense)], whole: toFloat32(scale as Dense)[0] }
}

it('rounds by hand', async () => {
  // g = 2688 / 2688 = 1; the first block's scale is 448, the second's 13 / 6 = 2.1667 → 2.25 in e4m3
  const row = [2688, -448, ...new Array<number>(14).fill(0), 13, 2.25, -5, 0]
  const tree = (await applyMethod(nvfp4(), { weight: [row] })) as Encoded
  expect(scalesOf(tree)).toEqual({ local: [448, 2.25], whole: 1 })
  expect([...toInt32(tree.parts.data as Dense)].filter((_, i) => i < 2 || i > 15)).toEqual([7, 10, 7, 2, 12, 0])
  expect((await valuesOf(tree))[0].filter((_, i) => i < 2 || i > 15)).toEqual([2688, -448, 13.5, 2.25, -4.5, 0])
})

it('keeps a scale of the tensor that its own reciprocal gives back', async () => {
  for (let seed = 0; seed < 50; seed++) {
    const { whole } = scalesOf((await applyMethod(nvfp4(), { weight: randomRows(2, 16, seed) })) as Encoded)
    expect(Math.fround(1 / Math.fround(1 / whole))).toBe(whole)
  }
})

it('keeps zero weights, and blocks whose scale is below the smallest float', async () => {
  expect(await valuesOf(await applyMethod(nvfp4(), { weight: [[0, 0]] }))).toEqual([[0, 0]])
  const row = [1, ...new Array<number>(15).fill(0), 1e-7, 0]
  expect((await valuesOf(await applyMethod(nvfp4(), { weight: [row] })))[0][16]).toBe(0)
})

it('spends 4.5 bits a weight and one scale', async () => {
  expect(bitsPerWeight(await applyMethod(nvfp4(), { weight: [Array.from({ length: 64 }, (_, i) => i)] }))).toBe(5)
})

it('has no options of its own', () => {
  expect(() => nvfp4({ block: 32 } as object)).toThrow('nvfp4 has no option "block".')
})
