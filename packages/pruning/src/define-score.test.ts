import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { choice, positive } from '@tersor/core'
import { describeMethod, applyMethod, useEngine, valuesOf } from '@tersor/testing'
import { defineScore } from './define-score.js'

/** w to a power. */
const squares = defineScore({
  name: 'squares',
  summary: 'keeps the largest w²',
  options: {
    among: choice(['row', 'layer'], { default: 'row', doc: 'weights that are compared' }),
    power: positive({ default: 2, doc: 'exponent' }),
  },
  within: ({ among }) => among,
  score: (weight, _job, { power }) => tf.pow(tf.abs(weight), power),
})

describeMethod(() => squares({ sparsity: 0.5 }), { neutral: () => squares({ sparsity: 0 }), smaller: false })

useEngine()

const weight = [[1, 2, 3, 4], [5, 6, 7, 8]] // prettier-ignore

it('compares where its options say, and in runs for a pattern', async () => {
  const values = async (options: Parameters<typeof squares>[0]) => valuesOf(await applyMethod(squares(options), { weight }))
  expect(await values({ sparsity: 0.5 })).toEqual([[0, 0, 3, 4], [0, 0, 7, 8]]) // prettier-ignore
  expect(await values({ sparsity: 0.5, among: 'layer' })).toEqual([[0, 0, 0, 0], [5, 6, 7, 8]]) // prettier-ignore
  expect(await values({ pattern: '1:2', among: 'layer' })).toEqual([[0, 2, 0, 4], [0, 6, 0, 8]]) // prettier-ignore
})

it('describes all its options, and checks them when the method is made', () => {
  expect(Object.keys(squares.description.options)).toEqual(['sparsity', 'pattern', 'among', 'power', 'only', 'except'])
  expect(() => squares({ power: 0 })).toThrow('squares got power = 0.\nPass a number above 0: exponent.')
  expect(() => squares({ sparsity: 1 })).toThrow('squares got sparsity = 1.\nPass at least 0, below 1: fraction of weights removed.')
})

it('leaves a weight alone that is its own score', async () => {
  const itself = defineScore({ name: 'itself', summary: 'keeps the largest', within: 'row', score: tensor => tensor })
  const before = tf.memory().numTensors
  expect(await valuesOf(await applyMethod(itself({ sparsity: 0.5 }), { weight: [[-5, 1, 2, -3]] }))).toEqual([[0, 1, 2, 0]])
  expect(tf.memory().numTensors).toBe(before)
})

it('tells scores of another shape', async () => {
  const rows = defineScore({ name: 'rows', summary: 'keeps rows', within: 'layer', score: tensor => tf.sum(tensor, 1) })
  const before = tf.memory().numTensors
  await expect(applyMethod(rows({ sparsity: 0.5 }), { weight })).rejects.toMatchObject({ code: 'SHAPE' })
  await expect(applyMethod(rows({ sparsity: 0.5 }), { weight })).rejects.toThrow(
    'rows scores a weight of [2, 4] with [2].\nGive one score for each weight.',
  )
  expect(tf.memory().numTensors).toBe(before)
})
