import '@tensorflow/tfjs-backend-cpu'
import { describeMethod, randomRows, applyMethod, useEngine, valuesOf } from '@tersor/testing'
import { toFloat32, type Dense, type Encoded } from '@tersor/tensor'
import { fp8 } from './fp8.js'

describeMethod(() => fp8(), { neutral: () => fp8(), tolerance: 0.04 })

useEngine()

it('rounds by hand: e4m3 by rows', async () => {
  // row 1: scale 1; 17 lies between 16 and 18, and 16 is even. Row 2: scale 2; 3.1 / 2 = 1.55 → 1.5
  const tree = (await applyMethod(fp8(), { weight: [[448, 17, -3.1], [896, 3.1, 0]] })) as Encoded // prettier-ignore
  expect([...toFloat32(tree.parts.scale as Dense)]).toEqual([1, 2])
  expect(await valuesOf(tree)).toEqual([[448, 16, -3], [896, 3, 0]]) // prettier-ignore
})

it('rounds by hand: e5m2 under one scale', async () => {
  // two bits of mantissa: 9 lies between 8 and 10, and 8 is even
  const tree = (await applyMethod(fp8({ format: 'e5m2', granularity: 'tensor' }), { weight: [[57344, 9], [-11, 1]] })) as Encoded // prettier-ignore
  expect((tree.parts.values as Dense).dtype).toBe('f8e5m2')
  expect(tree.parts.scale.shape).toEqual([1])
  expect(await valuesOf(tree)).toEqual([[57344, 8], [-12, 1]]) // prettier-ignore
})

it.each([
  ['e4m3', 1 / 16],
  ['e5m2', 1 / 8],
] as const)('stays within half a step of %s', async (format, step) => {
  // prettier-ignore
  const weight = randomRows(8, 32, 5)
  const values = await valuesOf(await applyMethod(fp8({ format }), { weight }))
  weight.forEach((row, r) => row.forEach((w, c) => expect(Math.abs(values[r][c] - w)).toBeLessThanOrEqual(Math.abs(w) * step + 1e-5)))
})

it('never gives NaN where the division rounds up', async () => {
  const weight = randomRows(200, 4, 6)
  const values = await valuesOf(await applyMethod(fp8(), { weight }))
  expect(values.flat().every(Number.isFinite)).toBe(true)
})

it('checks its options when it is made', () => {
  expect(() => fp8({ format: 'e3m4' as 'e4m3' })).toThrow('fp8 got format = "e3m4".\nPass e4m3 | e5m2: bits of exponent and mantissa.')
})
