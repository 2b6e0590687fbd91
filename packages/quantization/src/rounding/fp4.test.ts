import '@tensorflow/tfjs-backend-cpu'
import { CODEBOOKS } from '@tersor/core'
import { describeMethod, applyMethod, useEngine, valuesOf } from '@tersor/testing'
import { toInt32, type Dense, type Encoded } from '@tersor/tensor'
import { fp4 } from './fp4.js'

describeMethod(() => fp4({ block: 16, doubleQuantization: true }))

useEngine()

it('rounds by hand: one block', async () => {
  // absmax 2: 0.25 → 0.25 (code 7), −0.5 → −0.5 (8 + 5), 0.125 → 0.1667 (code 6), 1 (code 3)
  const tree = (await applyMethod(fp4(), { weight: [[0.5, -1, 0.25, 2]] })) as Encoded
  expect([...toInt32(tree.parts.data as Dense)]).toEqual([7, 13, 6, 3])
  const [values] = await valuesOf(tree)
  ;[0.5, -1, 0.3333, 2].forEach((value, i) => expect(values[i]).toBeCloseTo(value, 4))
})

it('keeps every level as it is, but the sign of zero', async () => {
  const tree = (await applyMethod(fp4({ block: 16 }), { weight: [[...CODEBOOKS.fp4]] })) as Encoded
  expect([...toInt32(tree.parts.data as Dense)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14, 15])
})

it('checks its options when it is made', () => {
  expect(() => fp4({ block: 1.5 })).toThrow('fp4 got block = 1.5.\nPass an integer of at least 1')
})
