import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { inputsOfBatch, packInputs } from './graph-batch.js'

beforeAll(() => tf.setBackend('cpu'))

const values = [
  { name: 'ids', dtype: 'int64', shape: ['batch', 3] },
  { name: 'scores', dtype: 'float32', shape: undefined },
  { name: 'size', dtype: 'int32', shape: [] },
]

it('carries several inputs as one tensor, bit for bit, whatever their order', async () => {
  const given = {
    size: tf.scalar(2 ** 31 - 1, 'int32'),
    ids: tf.tensor2d([1, 2 ** 24 + 1, -3, 4, 5, 6], [2, 3], 'int32'),
    scores: tf.tensor1d([0.1, -Infinity, 1e-40]),
  }
  const before = tf.memory().numTensors
  const packed = await packInputs(values, given)
  expect([packed.dtype, packed.rank, tf.memory().numTensors]).toEqual(['int32', 1, before + 1])
  const unpacked = inputsOfBatch(values, packed)
  for (const [name, tensor] of Object.entries(given)) {
    expect([name, unpacked[name].dtype, unpacked[name].shape]).toEqual([name, tensor.dtype, tensor.shape])
    expect(await unpacked[name].data()).toEqual(await tensor.data())
  }
})

it('takes any other tensor for the first input', () => {
  for (const x of [tf.tensor1d([1, 2, 3], 'int32'), tf.tensor1d([], 'int32'), tf.ones([2, 2])])
    expect(inputsOfBatch(values, x)).toEqual({ ids: x })
})
