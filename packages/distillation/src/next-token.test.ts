import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { picoLlama } from '@tersor/models'
import { describeTerm } from '@tersor/testing'
import { nextToken } from './next-token.js'
import { sceneOf } from './scene.fixture.js'

describeTerm(() => nextToken(), {
  ...{ taught: false, zero: false, model: seed => picoLlama({ layers: 1, vocabulary: 16, seed }) },
  data: (_step, rng) => ({ input: tf.tensor2d(Int32Array.from({ length: 12 }, () => rng.integer(16)), [2, 6], 'int32') }), // prettier-ignore
})

/** The loss of ids (1, tokens) under logits (1, tokens, 2). */
const lossOf = async (ids: number[], logits: number[][], attended?: number[]): Promise<number> => {
  const output = tf.tensor3d([logits])
  const scene = sceneOf({ student: output, teacher: output })
  const input = tf.tensor2d([ids], [1, ids.length], 'int32')
  const batch = { input, ...(attended && { attended: tf.tensor2d([attended]) }) }
  const [loss] = await nextToken()
    .loss({ ...scene, batch }, {})
    .data()
  return loss
}

it('is the surprise at each token behind the first', async () => {
  const uneven = [Math.log(3), 0] // ¾ and ¼
  expect(await lossOf([0, 0, 1], [uneven, uneven, [9, -9]])).toBeCloseTo((Math.log(4 / 3) + Math.log(4)) / 2, 5)
  expect(await lossOf([0, 0, 1], [uneven, uneven, [9, -9]], [1, 1, 0])).toBeCloseTo(Math.log(4 / 3), 5)
})

it('refuses what is no language model', async () => {
  const output = tf.zeros([2, 4])
  expect(() => nextToken().loss(sceneOf({ student: output, teacher: output }), {})).toThrow(
    'The term "next-token" got inputs [2,4] and outputs [2,4].\nTrain a language model on ids (batch, tokens), two tokens or more at a time.',
  )
})
