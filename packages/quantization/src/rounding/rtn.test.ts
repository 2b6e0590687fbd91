import '@tensorflow/tfjs-backend-cpu'
import { describeMethod, randomRows, applyMethod, valuesOf, useEngine } from '@tersor/testing'
import { toInt32, type Dense, type Encoded } from '@tersor/tensor'
import { rtn } from './rtn.js'

describeMethod(() => rtn({ bits: 3, symmetric: false, granularity: 'row' }), {
  neutral: () => rtn({ bits: 8, granularity: 'row' }),
  tolerance: 0.01,
})

useEngine()

const codesOf = (tree: unknown): number[] => [...toInt32((tree as Encoded).parts.data as Dense)]

it('rounds by hand: symmetric, 3 bits, one row', async () => {
  // max |w| = 3.5, scale = 2 · 3.5 / 7 = 1, zero = 4; ties go to even
  const tree = await applyMethod(rtn({ bits: 3, granularity: 'row' }), { weight: [[3.5, -3.5, 0.5, 1.5, 0]] })
  expect(codesOf(tree)).toEqual([7, 0, 4, 6, 4])
  expect(await valuesOf(tree)).toEqual([[3, -4, 0, 2, 0]])
})

it('rounds by hand: asymmetric, 2 bits, groups of 2', async () => {
  // group 1: 0 … 3, scale 1, zero 0; group 2: −2 … 1, scale 1, zero 2; group 3: 6 alone, scale 2, zero 0
  const tree = await applyMethod(rtn({ bits: 2, symmetric: false, group: 2 }), { weight: [[3, 1, -2, 1, 6]] })
  expect(codesOf(tree)).toEqual([3, 1, 0, 3, 3])
  expect(await valuesOf(tree)).toEqual([[3, 1, -2, 1, 6]])
})

it('shares one scale over the whole tensor', async () => {
  const tree = (await applyMethod(rtn({ bits: 4, granularity: 'tensor' }), { weight: [[7.5, 1], [0.4, -1]] })) as Encoded // prettier-ignore
  expect(tree.parts.scale.shape).toEqual([1, 1])
  expect(await valuesOf(tree)).toEqual([[7, 1], [0, -1]]) // prettier-ignore
})

it.each([1, 2, 3, 4, 5, 6, 7, 8])('stays within half a step at %i bits', async bits => {
  const weight = randomRows(4, 16, bits)
  const values = await valuesOf(await applyMethod(rtn({ bits, symmetric: false, granularity: 'row' }), { weight }))
  weight.forEach((row, r) => {
    const step = (Math.max(0, ...row) - Math.min(0, ...row)) / (2 ** bits - 1)
    row.forEach((w, c) => expect(Math.abs(w - values[r][c])).toBeLessThanOrEqual(step * 1.01))
  })
})

it('keeps tiny weights, whose scales are no normal halves', async () => {
  const [row] = await valuesOf(await applyMethod(rtn({ bits: 8, granularity: 'row' }), { weight: [[1e-9, -5e-10, 0]] }))
  expect(row[0]).toBeCloseTo(1e-9, 11)
  expect(row[2]).toBe(0)
})

it('checks its options when it is made', () => {
  expect(() => rtn({ bits: 2.5 })).toThrow('rtn got bits = 2.5.\nPass an integer from 1 to 8: bits of a code.')
  expect(() => rtn({ granularity: 'column' as 'row' })).toThrow('rtn got granularity = "column".\nPass tensor | row | group')
  expect(() => rtn({ size: 3 } as object)).toThrow('rtn has no option "size".\nIts options are bits (an integer from 1 to 8)')
  expect(() => rtn({ granularity: 'tensor', group: 2 })).toThrow('rtn: group = 2 has no meaning when granularity is tensor.')
})
