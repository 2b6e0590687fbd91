import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { crossEntropy } from '@tersor/core'
import { describeTerm } from '@tersor/testing'
import { pld } from './pld.js'
import { gradientOf, lossOf } from './scene.fixture.js'

describeTerm(() => pld(), { zero: false })

const teacher = tf.tensor2d([[0, Math.log(2), Math.log(3)]])
const target = tf.tensor1d([0], 'int32')

it('ranks the target first, then as the teacher does', async () => {
  // the order is 0, 2, 1 with weights ⅙, ½, ⅓: ln 3 / 6 + ln 2 / 2
  expect(await lossOf(pld(), { student: tf.zeros([1, 3]), teacher, target })).toBeCloseTo(0.529676, 6)
  expect(await lossOf(pld(), { student: tf.tensor2d([[1, 0, 2]]), teacher, target })).toBeCloseTo(0.298065, 6)
})

it('is cross-entropy where the teacher is sure of the target', async () => {
  const student = tf.tensor2d([[1, 0, 2]])
  const expected = await crossEntropy(student, { input: student, target }).data()
  expect(await lossOf(pld(), { student, teacher: tf.tensor2d([[100, 1, 0]]), target })).toBeCloseTo(expected[0], 5)
})

it('has the gradient Σ α (σ − e), also where logits are far apart or equal', async () => {
  // σ over what is left: (⅓, ⅓, ⅓), then (0, ½, ½), then (0, 1, 0); less what is chosen: 0, 2, 1
  const [a, b, c] = [1 / 6, 1 / 2, 1 / 3]
  const expected = [a / 3 - a, a / 3 + b / 2 + c - c, a / 3 + b / 2 - b]
  const gradient = await gradientOf(pld(), { student: tf.zeros([1, 3]), teacher, target })
  expect(gradient).toEqual(expected.map(value => expect.closeTo(value, 5)))
  const far = await gradientOf(pld(), { student: tf.tensor2d([[300, -300, 0]]), teacher: tf.zeros([1, 3]), target })
  expect(far.every(Number.isFinite)).toBe(true)
})

it('refuses more classes than it compares', async () => {
  const many = { student: tf.zeros([1, 1025]), teacher: tf.zeros([1, 1025]), target }
  await expect(lossOf(pld(), many)).rejects.toThrow('pld ranks up to 1024 classes, got 1025.\nTake soft-labels for vocabularies.')
  expect(() => pld({ temperature: 0 })).toThrow('pld term got temperature = 0.')
})
