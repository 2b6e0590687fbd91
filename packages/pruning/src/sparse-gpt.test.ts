import '@tensorflow/tfjs-backend-cpu'
import { describeMethod, randomRows, applyMethod, valuesOf, useEngine } from '@tersor/testing'
import { dampedMoment, eliminatedDiagonal, sweepReference } from '../../kernels/src/column-sweep.reference.js'
import { sparseGpt } from './sparse-gpt.js'

describeMethod(() => sparseGpt({ sparsity: 0.5 }), { neutral: () => sparseGpt({ sparsity: 0 }), smaller: false })

useEngine()

it('equals the plain-loop reference of its formula', async () => {
  const weight = randomRows(6, 20, 1)
  const inputs = randomRows(80, 20, 2, 1.5)
  const hessian = dampedMoment(inputs, 0.01)
  const diagonal = eliminatedDiagonal(hessian)
  const scores = weight.map(row => row.map((w, j) => w ** 2 / diagonal[j]))
  const threshold = scores.flat().sort((a, b) => a - b)[Math.floor(120 * 0.4) - 1]
  const expected = sweepReference(weight, hessian, (r, j, current) => (scores[r][j] <= threshold ? 0 : current[j]))
  const actual = await valuesOf(await applyMethod(sparseGpt({ sparsity: 0.4 }), { weight, inputs }))
  actual.forEach((row, r) => row.forEach((value, c) => expect(value).toBeCloseTo(expected[r][c], 4)))
})

it('equals the reference for 2:4, choosing among compensated weights', async () => {
  const weight = randomRows(5, 16, 3)
  const inputs = randomRows(80, 16, 4, 1.5)
  const hessian = dampedMoment(inputs, 0.01)
  const diagonal = eliminatedDiagonal(hessian)
  const removed = weight.map(() => new Set<number>())
  const expected = sweepReference(weight, hessian, (r, j, current) => {
    if (j % 4 === 0) {
      const order = [0, 1, 2, 3].sort((a, b) => current[j + a] ** 2 / diagonal[j + a] - current[j + b] ** 2 / diagonal[j + b])
      order.slice(0, 2).forEach(offset => removed[r].add(j + offset))
    }
    return removed[r].has(j) ? 0 : current[j]
  })
  const actual = await valuesOf(await applyMethod(sparseGpt({ pattern: '2:4' }), { weight, inputs }))
  actual.forEach((row, r) => row.forEach((value, c) => expect(value).toBeCloseTo(expected[r][c], 4)))
})

it('removes the cheapest of a row by hand', async () => {
  // H = [[2, 1, 0], [1, 2, 0], [0, 0, 1]]: scores w² / U_jj² are 1.5, 0.5 and 1, so column 1 goes; nothing behind it is correlated
  const inputs = [[Math.SQRT2, Math.SQRT1_2, 0], [0, Math.sqrt(1.5), 0], [0, 0, 1]] // prettier-ignore
  const [row] = await valuesOf(await applyMethod(sparseGpt({ sparsity: 0.34, damping: 1e-9 }), { weight: [[1, 0.5, 1]], inputs }))
  expect(row[0]).toBeCloseTo(1, 5)
  expect(row[1]).toBe(0)
  expect(row[2]).toBeCloseTo(1, 5)
})

it('is magnitude without compensation where inputs are uncorrelated', async () => {
  const inputs = [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 2]] // prettier-ignore
  expect(await valuesOf(await applyMethod(sparseGpt({ sparsity: 0.5 }), { weight: [[4, -1, 2, -3]], inputs }))).toEqual([[4, 0, 0, -3]])
})

it('checks its options when it is made', () => {
  expect(() => sparseGpt({ sparsity: 1 })).toThrow('sparse-gpt got sparsity = 1.\nPass at least 0, below 1: fraction of weights removed.')
  expect(() => sparseGpt({ pattern: '4:2' })).toThrow('sparse-gpt got pattern = "4:2".\nPass N:M, such as 2:4')
})

it('keeps the weights of columns that no input reached, and goes by magnitude where none did', async () => {
  const weight = [[0.1, 3, 0.2, 2], [2, 0.1, 3, 0.2]] // prettier-ignore
  const inputs = randomRows(40, 4, 5).map(row => [row[0], 0, row[2], row[3]])
  const values = await valuesOf(await applyMethod(sparseGpt({ pattern: '2:4' }), { weight, inputs }))
  expect(values[0][1]).toBeCloseTo(3, 5)
  const silent = await valuesOf(await applyMethod(sparseGpt({ pattern: '2:4' }), { weight, inputs: inputs.map(row => row.map(() => 0)) }))
  expect(silent).toEqual([[0, 3, 0, 2], [2, 0, 3, 0]].map(row => row.map(value => expect.closeTo(value, 5)))) // prettier-ignore
})
