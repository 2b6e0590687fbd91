import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-wasm'
import { registerWasmGather } from './wasm-gather.js'

beforeAll(async () => {
  await tf.setBackend('wasm')
  registerWasmGather()
  registerWasmGather()
  expect(tf.getBackend()).toBe('wasm')
})

const rows = () => tf.tensor2d([[1, 2, 3], [4, 5, 6], [7, 8, 9]]) // prettier-ignore

it('gives each row what its own indices name', async () => {
  expect(await tf.gather(rows(), tf.tensor2d([[2], [0], [1]], [3, 1], 'int32'), 1, 1).array()).toEqual([[3], [4], [8]])
  expect(await tf.gather(rows(), tf.tensor2d([[2, 1], [0, 0], [1, 2]], [3, 2], 'int32'), 1, 1).array()).toEqual([[3, 2], [4, 4], [8, 9]]) // prettier-ignore
})

it('gathers along an axis behind others, of slices and of integers', async () => {
  // (2 batches, 2 outer, 3, 2), along the third axis
  const x = tf.reshape(tf.range(0, 24, 1, 'int32'), [2, 2, 3, 2])
  const chosen = tf.gather(x, tf.tensor2d([[2, 0], [1, 1]], [2, 2], 'int32'), 2, 1) // prettier-ignore
  expect([chosen.shape, chosen.dtype]).toEqual([[2, 2, 2, 2], 'int32'])
  expect(Array.from(await chosen.data())).toEqual([4, 5, 0, 1, 10, 11, 6, 7, 14, 15, 14, 15, 20, 21, 20, 21])
})

it('leaves gathers without batches to the kernel of the backend, and tells an index that is none', async () => {
  expect(await tf.gather(rows(), tf.tensor1d([2, 0], 'int32'), 1).array()).toEqual([[3, 1], [6, 4], [9, 7]]) // prettier-ignore
  expect(() => tf.gather(rows(), tf.tensor2d([[3], [0], [0]], [3, 1], 'int32'), 1, 1)).toThrow('GatherV2: the index 3 is not in 0 to 2.')
})
