import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describeTerm } from '@tersor/testing'
import { gradientOf, lossOf } from './scene.fixture.js'
import { softLabels } from './soft-labels.js'

describeTerm(() => softLabels())

const teacher = tf.tensor2d([[Math.log(3), 0]])
const student = tf.zeros([1, 2])

it('is the divergence of two answers', async () => {
  // p = (¾, ¼), q = (½, ½): ¾ ln 1.5 + ¼ ln ½
  expect(await lossOf(softLabels({ temperature: 1 }), { student, teacher })).toBeCloseTo(0.130812, 6)
  // at T = 2: p = √3 / (√3 + 1) = .633975, times T² = 4
  const p = Math.sqrt(3) / (Math.sqrt(3) + 1)
  expect(await lossOf(softLabels(), { student, teacher })).toBeCloseTo(4 * (p * Math.log(2 * p) + (1 - p) * Math.log(2 * (1 - p))), 5)
})

it('has the gradient T (q − p), over rows', async () => {
  const gradient = await gradientOf(softLabels({ temperature: 1 }), { student, teacher })
  expect(gradient).toEqual([expect.closeTo(-0.25, 5), expect.closeTo(0.25, 5)])
})

it('leaves padding out of the mean', async () => {
  const [two, taught] = [tf.zeros([1, 2, 2]), tf.tensor3d([[[Math.log(3), 0], [9, 0]]])] // prettier-ignore
  const attended = tf.tensor2d([[1, 0]], [1, 2], 'int32')
  expect(await lossOf(softLabels({ temperature: 1 }), { student: two, teacher: taught, attended })).toBeCloseTo(0.130812, 6)
})

it('refuses other classes, and checks its options when it is made', async () => {
  await expect(lossOf(softLabels(), { student: tf.zeros([1, 3]), teacher })).rejects.toThrow(
    'The term "soft-labels" got a teacher of 2 classes or words, and the student has 3.\nTake a teacher with the same classes, or the same vocabulary.',
  )
  expect(() => softLabels({ temperature: 0 })).toThrow('soft-labels term got temperature = 0.\nPass a number above 0')
})
