import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describeTerm, picoModel } from '@tersor/testing'
import { attentionTransfer } from './attention-transfer.js'
import { lossOf } from './scene.fixture.js'

describeTerm(() => attentionTransfer({ student: ['layers.0', 'layers.1'], teacher: ['layers.0', 'layers.1'] }), {
  model: seed => picoModel({ seed }),
  data: (_step, rng) => ({ input: tf.tensor3d(Float32Array.from({ length: 2 * 4 * 16 }, rng.normal), [2, 4, 16]) }),
})

const one = attentionTransfer({ student: ['a'], teacher: ['b'] })

it('compares where two networks answer most', async () => {
  // positions (1, 2) and (2, 1) answer alike: the map is (.7071, .7071); of (1, 0) and (0, 0) it is (1, 0)
  const student = tf.tensor3d([[[1, 2], [2, 1]]]) // prettier-ignore
  expect(await lossOf(one, { student, teacher: tf.tensor3d([[[1], [1]]]) })).toBeCloseTo(0, 10) // prettier-ignore
  const teacher = tf.tensor3d([[[1, 0], [0, 0]]]) // prettier-ignore
  expect(await lossOf(one, { student, teacher })).toBeCloseTo(((1 - Math.SQRT1_2) ** 2 + 0.5) / 2, 6)
})

it('refuses places of other sizes and lists of other lengths', async () => {
  await expect(lossOf(one, { student: tf.zeros([1, 4, 2]), teacher: tf.zeros([1, 2, 2]) })).rejects.toThrow(
    'The term "attention-transfer" compares [1,4,2] of the student with [1,2,2] of the teacher.',
  )
  expect(() => attentionTransfer({ student: ['a', 'b'], teacher: ['a'] })).toThrow(
    'attention-transfer: 2 places of the student stand before 1 of the teacher.\nGive one to each.',
  )
})
