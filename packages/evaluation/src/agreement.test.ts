import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import type { Model } from '@tersor/core'
import { memoryStore } from '@tersor/tensor'
import { topOneAgreement } from './agreement.js'

beforeAll(() => tf.setBackend('cpu'))

const model = (run: (x: tf.Tensor) => tf.Tensor): Model => ({
  params: memoryStore({}),
  stages: [{ name: 'all', parameters: [], sites: [], run }],
})
const ROWS = [[[1, 5, 2], [9, 1, 0]], [[0, 1, 2]]] // prettier-ignore
const inputs = { batches: 2, batch: (index: number) => tf.tensor2d(ROWS[index]) }

it('counts equal answers over all batches, by hand', async () => {
  const before = tf.memory().numTensors
  const [plain, other] = [model(x => tf.clone(x)), model(x => tf.mul(x, [1, 0.3, 1]))]
  // answers 1, 0, 2 and, with the second column at 0.3 of itself, 2, 0, 2
  expect(await topOneAgreement(other, plain, inputs)).toEqual({ agreement: 2 / 3, same: 2, count: 3 })
  expect(await topOneAgreement(plain, plain, inputs)).toEqual({ agreement: 1, same: 3, count: 3 })
  expect(tf.memory().numTensors).toBe(before)
})

it('refuses what cannot be compared', async () => {
  const plain = model(x => tf.clone(x))
  await expect(topOneAgreement(plain, plain, { ...inputs, batches: 0 })).rejects.toMatchObject({
    code: 'BAD_DATA',
    message: 'The models give 0 and 0 answers.\nPass at least one batch, and models with one answer a row.',
  })
})
