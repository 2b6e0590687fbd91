import '@tensorflow/tfjs-backend-cpu'
import { describeMethod, applyMethod, valuesOf, useEngine } from '@tersor/testing'
import { magnitude } from './magnitude.js'

describeMethod(() => magnitude({ sparsity: 0.5 }), { neutral: () => magnitude({ sparsity: 0 }), smaller: false })

useEngine()

const weight = [[5, -6, 7, 8], [1, 2, -3, 4]] // prettier-ignore

it('removes the smallest of the whole layer', async () => {
  expect(await valuesOf(await applyMethod(magnitude({ sparsity: 0.5 }), { weight }))).toEqual([[5, -6, 7, 8], [0, 0, 0, 0]]) // prettier-ignore
})

it('removes the smallest of each row', async () => {
  expect(await valuesOf(await applyMethod(magnitude({ sparsity: 0.5, within: 'row' }), { weight }))).toEqual([[0, 0, 7, 8], [0, 0, -3, 4]]) // prettier-ignore
})

it('removes exactly the fraction, also among equals and where it does not divide', async () => {
  const [row] = await valuesOf(await applyMethod(magnitude({ sparsity: 0.5 }), { weight: [[1, 1, 1, 1, 1]] }))
  expect(row.filter(value => value === 0)).toHaveLength(2)
})

it('keeps the share of a last run that is shorter than M', async () => {
  expect(await valuesOf(await applyMethod(magnitude({ pattern: '1:4' }), { weight: [[1, 2, 3, 4, 6, 5]] }))).toEqual([[0, 0, 0, 4, 6, 0]])
})

it('checks its options when it is made', () => {
  expect(() => magnitude({ within: 'model' as 'row' })).toThrow(
    'magnitude got within = "model".\nPass row | layer: weights that are compared with each other.',
  )
})
