import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import type { Model } from '@tersor/core'
import { fromFloat32, memoryStore } from '@tersor/tensor'
import { cosineSimilarity } from './cosine-similarity.js'

beforeAll(() => tf.setBackend('cpu'))

/** A table that gives each of two tokens its row. */
const table = (rows: readonly number[], hidden = 2): Model => ({
  params: memoryStore({ t: fromFloat32(rows, 'f32', [2, hidden]) }),
  stages: [{ name: 't', parameters: ['t'], sites: [], run: (ids, env) => tf.gather(env.weights('t'), ids as tf.Tensor2D) }],
})

it('is the mean of the cosines of all tokens, and tells the lowest', async () => {
  const result = await cosineSimilarity(table([3, 0, 1, 1]), table([1, 0, 1, 0]), [[0, 1], [1]])
  expect(result.cosine).toBeCloseTo((1 + 2 * Math.SQRT1_2) / 3, 6)
  expect(result.lowest).toBeCloseTo(Math.SQRT1_2, 6)
  expect(result.tokens).toBe(3)
})

it('refuses outputs of other shapes, and a text without windows', async () => {
  await expect(cosineSimilarity(table([1, 0, 0, 1]), table([1, 0, 0, 1, 0, 0], 3), [[0]])).rejects.toThrow(
    'The model gives [1, 1, 2], the reference [1, 1, 3].\nCompare an encoder with itself before compression.',
  )
  await expect(cosineSimilarity(table([1, 0, 0, 1]), table([1, 0, 0, 1]), [])).rejects.toThrow('There is no window to compare on.')
})

it('refuses states that are no numbers, and leaves no tensor behind', async () => {
  const before = tf.memory().numTensors
  await expect(cosineSimilarity(table([1, 0, 0, 1]), table([NaN, 0, 0, 1]), [[0]])).rejects.toMatchObject({ code: 'NOT_FINITE' })
  expect(tf.memory().numTensors).toBe(before)
})
