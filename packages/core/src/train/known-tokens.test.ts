import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { useEngine } from '@tersor/testing'
import { fromFloat32, memoryStore } from '@tersor/tensor'
import type { Model, Site, Stage } from '../model/model.js'
import type { Term } from './objective.js'
import { sgd } from './sgd.js'
import { train } from './train.js'

useEngine()

const WIDTH = 4
const TABLE: Site = { name: 'words', weight: 'words', kind: 'embedding', outAxis: 0, inAxis: 1 }
const words: Stage = { name: 'words', parameters: ['words'], sites: [TABLE], run: (ids, { weights }) => tf.gather(weights('words'), ids) }
const squares: Stage = { name: 'squares', parameters: [], sites: [], run: x => tf.square(x) }
const knowing = (count: number): Model => {
  const table = fromFloat32(Float32Array.from({ length: count * WIDTH }, (_, i) => i / 10), 'f32', [count, WIDTH]) // prettier-ignore
  return { params: memoryStore({ words: table }), stages: [words, squares] }
}

const imitate: Term = {
  name: 'imitate',
  taught: true,
  loss: ({ student, teacher }) => tf.mean(tf.square(tf.sub(student.output, teacher.output))),
}
const learning = (tokens: readonly number[], teacher: Model) =>
  train(knowing(8), {
    ...{ objective: imitate, teacher, transform: sgd({ learningRate: 0.1 }), steps: 2 },
    data: step => ({ input: tf.tensor2d(step === 0 ? [[0, 1]] : [[...tokens]], [1, 2], 'int32') }),
  })

it('refuses a teacher of another vocabulary by the first token that it does not know', async () => {
  const before = tf.memory().numTensors
  const text = 'The batch of step 2 of train has the token 5, and the teacher knows 5.\nTake a teacher with the same vocabulary.'
  await expect(learning([4, 5], knowing(5))).rejects.toThrow(text)
  await expect(learning([4, 5], knowing(5))).rejects.toMatchObject({ code: 'SHAPE', fields: { step: 1, token: 5, words: 5 } })
  expect(tf.memory().numTensors).toBe(before)
  await learning([4, 3], knowing(5)) // of rows that no token names nobody asks
})

it('refuses text that another tokenizer encoded', async () => {
  const text = 'The batch of step 2 of train has the token 8, and the student knows 8.\nEncode the text with the tokenizer of this network.'
  await expect(learning([7, 8], knowing(9))).rejects.toThrow(text)
  await expect(learning([7, 8], knowing(9))).rejects.toMatchObject({ code: 'BAD_DATA' })
  await expect(learning([-1, 0], knowing(9))).rejects.toThrow('has the token -1, and the student knows 8.')
})
