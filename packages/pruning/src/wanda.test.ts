import '@tensorflow/tfjs-backend-cpu'
import { describeMethod, randomRows, applyMethod, valuesOf, useEngine } from '@tersor/testing'
import { wanda } from './wanda.js'

describeMethod(() => wanda({ sparsity: 0.5 }), { neutral: () => wanda({ sparsity: 0 }), smaller: false })

useEngine()

it('weighs magnitude by the norm of the inputs, within each row', async () => {
  // norms 10 and 1: scores [[10, 2], [30, 0.1]], so column 1 goes in both rows
  const values = await valuesOf(await applyMethod(wanda({ sparsity: 0.5 }), { weight: [[1, 2], [3, 0.1]], inputs: [[6, 1], [8, 0]] })) // prettier-ignore
  expect(values).toEqual([[1, 0], [3, 0]]) // prettier-ignore
})

it('keeps two of every four neighbours for 2:4', async () => {
  const weight = randomRows(3, 8, 1)
  const values = await valuesOf(await applyMethod(wanda({ pattern: '2:4' }), { weight, inputs: randomRows(9, 8, 2) }))
  for (const row of values) for (const start of [0, 4]) expect(row.slice(start, start + 4).filter(value => value !== 0)).toHaveLength(2)
})

it('does not change when a channel is scaled up and its weights down', async () => {
  const weight = randomRows(4, 6, 3)
  const inputs = randomRows(12, 6, 4)
  const scaled = {
    weight: weight.map(row => row.map((w, c) => (c === 2 ? w / 8 : w))),
    inputs: inputs.map(row => row.map((x, c) => (c === 2 ? x * 8 : x))),
  }
  const zeros = async (given: typeof scaled) =>
    (await valuesOf(await applyMethod(wanda(), given))).map(row => row.map(value => value === 0))
  expect(await zeros(scaled)).toEqual(await zeros({ weight, inputs }))
})

it('checks its options when it is made', () => {
  expect(() => wanda({ sparsity: -0.1 })).toThrow('wanda got sparsity = -0.1.\nPass at least 0, below 1')
  expect(() => wanda({ pattern: '2-4' as '2:4' })).toThrow('wanda got pattern = "2-4".\nPass N:M, such as 2:4')
})

it('takes a column that no input reached for one of usual inputs, and goes by magnitude where none did', async () => {
  // norms 2, none, 4: the column without inputs counts as √((4 + 16) / 2) = 3.16, scores 2, 3.8, 3.6
  const values = await valuesOf(await applyMethod(wanda({ sparsity: 0.34 }), { weight: [[1, 1.2, 0.9]], inputs: [[2, 0, 4]] }))
  expect(values).toEqual([[0, expect.closeTo(1.2, 5), expect.closeTo(0.9, 5)]])
  const silent = await valuesOf(await applyMethod(wanda({ sparsity: 0.34 }), { weight: [[1, 1.2, 0.9]], inputs: [[0, 0, 0]] }))
  expect(silent).toEqual([[1, expect.closeTo(1.2, 5), 0]])
})
