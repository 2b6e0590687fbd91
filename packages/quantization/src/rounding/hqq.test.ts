import '@tensorflow/tfjs-backend-cpu'
import { packTree, maskedOf } from '@tersor/core'
import { describeMethod, randomRows, applyMethod, useEngine, valuesOf } from '@tersor/testing'
import { bitsPerWeight, toFloat32, toInt32, type Dense, type Encoded } from '@tersor/tensor'
import { hqq } from './hqq.js'

describeMethod(() => hqq({ bits: 3, group: 8 }), { neutral: () => hqq({ bits: 8, group: 4 }), tolerance: 0.02 })

useEngine()

const errorOf = async (rows: number[][], method: ReturnType<typeof hqq>): Promise<number> => {
  const values = await valuesOf(await applyMethod(method, { weight: rows }))
  return rows.flat().reduce((sum, w, i) => sum + Math.abs(w - values.flat()[i]), 0)
}

it('moves the zero by hand: one group, 2 bits', async () => {
  // Scale 1, zero 0. Codes 0 0 1 2 3 with errors .3 .3 .2 .2 0, all below what shrinking leaves (|x|^1.7 < 1/10);
  // the mean of q − w is (−.3 −.3 −.2 −.2 − 0) / 5 = −0.2, where the errors are .1 .1 0 0 .2.
  const weight = [[0.3, 0.3, 1.2, 2.2, 3]]
  const settings = { bits: 2, group: 5, beta: 1 }
  const tree = (await applyMethod(hqq(settings), { weight })) as Encoded
  expect([...toInt32(tree.parts.data as Dense)]).toEqual([0, 0, 1, 2, 3])
  expect(toFloat32(tree.parts.zero as Dense)[0]).toBeCloseTo(-0.2, 3)
  expect(await errorOf(weight, hqq({ ...settings, iterations: 0 }))).toBeCloseTo(1, 5)
  expect(await errorOf(weight, hqq(settings))).toBeCloseTo(0.4, 3)
})

it.each([2, 3, 4])('is never further from the weights than where it starts, at %i bits', async bits => {
  const weight = randomRows(4, 64, bits)
  const [start, end] = [await errorOf(weight, hqq({ bits, group: 16, iterations: 0 })), await errorOf(weight, hqq({ bits, group: 16 }))]
  expect(end).toBeLessThan(start)
})

it('stores a half for each zero, also once packed under a mask', async () => {
  const tree = (await applyMethod(hqq({ group: 16 }), { weight: randomRows(2, 32, 4) })) as Encoded
  expect((tree.parts.zero as Dense).dtype).toBe('f16')
  expect(bitsPerWeight(tree)).toBe(4 + 2)
  const masked = maskedOf(Uint8Array.from({ length: 64 }, (_, i) => i % 2), tree) // prettier-ignore
  expect(await valuesOf(await packTree(masked))).toEqual(await valuesOf(masked))
})

it('checks its options when it is made', () => {
  expect(() => hqq({ norm: 0 })).toThrow('hqq got norm = 0.\nPass a number above 0: p: below 1 leaves outliers to their error.')
  expect(() => hqq({ iterations: -1 })).toThrow('hqq got iterations = -1.')
})
