import '@tensorflow/tfjs-backend-cpu'
import { CODEBOOKS, decode } from '@tersor/core'
import { describeMethod, randomRows, applyMethod, useEngine, valuesOf } from '@tersor/testing'
import { bitsPerWeight, byteLength, describe as shape, toInt32, type Dense, type Encoded } from '@tersor/tensor'
import { nf4 } from './nf4.js'

describeMethod(() => nf4({ block: 16, doubleQuantization: true }))

useEngine()

it('rounds by hand: one block', async () => {
  // absmax 2: 0.25, −0.5, 0.125 and 1 lie nearest to levels 10, 2, 9 and 15
  const tree = (await applyMethod(nf4(), { weight: [[0.5, -1, 0.25, 2]] })) as Encoded
  expect([...toInt32(tree.parts.data as Dense)]).toEqual([10, 2, 9, 15])
  const [values] = await valuesOf(tree)
  ;[0.4922, -1.0501, 0.3219, 2].forEach((value, i) => expect(values[i]).toBeCloseTo(value, 4))
})

it('lets blocks go on over the ends of rows, the last one short', async () => {
  const tree = (await applyMethod(nf4({ block: 2 }), { weight: [[1, 2, 4], [-8, 3, 0]] })) as Encoded // prettier-ignore
  const scales = decode(tree.parts.scale)
  expect(Array.from(await scales.data())).toEqual([2, 8, 3])
  scales.dispose()
})

it('keeps every level as it is', async () => {
  const values = [...CODEBOOKS.nf4]
  expect(await valuesOf(await applyMethod(nf4({ block: 16 }), { weight: [values] }))).toEqual([values])
})

it('rounds scales to eight bits around their mean', async () => {
  const weight = randomRows(64, 512, 3)
  const plain = (await applyMethod(nf4(), { weight })) as Encoded
  const twice = (await applyMethod(nf4({ doubleQuantization: true }), { weight })) as Encoded
  expect(shape(twice)).toBe('codebook{data: u4, scale: codebook{data: u8, scale: f32, offset: f32}}')
  expect(bitsPerWeight(plain)).toBe(4.5)
  // 512 blocks: a byte each, two f32 for 256 of them and one mean
  expect(byteLength(twice)).toBe(64 * 256 + 512 + 8 + 4)
  const [a, b] = [await valuesOf(plain), await valuesOf(twice)]
  const away = a.flatMap((row, r) => row.map((value, c) => Math.abs(b[r][c] - value) / Math.max(1, Math.abs(value))))
  expect(Math.max(...away)).toBeLessThan(0.02)
})

it('gives equal scales back where they are quantized', async () => {
  const weight = [Array.from({ length: 128 }, (_, i) => (i % 64 === 0 ? -3 : 0))]
  expect((await valuesOf(await applyMethod(nf4({ doubleQuantization: true }), { weight })))[0]).toEqual(weight[0])
})

it('checks its options when it is made', () => {
  expect(() => nf4({ block: 0 })).toThrow('nf4 got block = 0.\nPass an integer of at least 1: weights that share a scale')
})
