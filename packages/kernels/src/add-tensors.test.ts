import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { useEngine } from '@tersor/testing'
import { addTensors } from './add-tensors.js'

useEngine()

it.each([1, 2, 7, 8, 13, 14, 40])('adds %i tensors', async count => {
  const values = Array.from({ length: count }, (_, i) => tf.tensor1d([i + 1, 2 ** -i]))
  const want = [(count * (count + 1)) / 2, 2 - 2 ** (1 - count)]
  const found = [...(await addTensors(values).data())]
  found.forEach((value, i) => expect(value).toBeCloseTo(want[i], 4))
})

it('leaves nothing that is computed beside it undone', async () => {
  const many = Array.from({ length: 24 }, (_, i) => tf.tensor2d(new Float32Array(2048).fill(i), [32, 64]))
  const doubled = many.map(each => tf.mul(each, 2))
  const sum = addTensors(many.map(each => tf.sum(each)))
  expect((await sum.data())[0]).toBe(276 * 2048)
  for (const [i, each] of doubled.entries()) expect(new Set(await each.data())).toEqual(new Set([2 * i]))
})
