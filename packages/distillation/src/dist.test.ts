import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describeTerm } from '@tersor/testing'
import { dist } from './dist.js'
import { lossOf } from './scene.fixture.js'

describeTerm(() => dist())

const logits = (...rows: number[][]) => tf.log(tf.tensor2d(rows))

it('asks for answers that go up and down with the teacher’s', async () => {
  // of two classes the answers are affine copies of each other: they correlate fully, or against each other
  const teacher = logits([0.9, 0.1], [0.2, 0.8])
  const alike = logits([0.6, 0.4], [0.45, 0.55])
  const against = logits([0.4, 0.6], [0.55, 0.45])
  expect(await lossOf(dist({ temperature: 1 }), { student: alike, teacher })).toBeCloseTo(0, 5)
  expect(await lossOf(dist({ temperature: 1, beta: 1, gamma: 3 }), { student: against, teacher })).toBeCloseTo(2 + 6, 5)
})

it('correlates within a row', async () => {
  // (.5, .3, .2) and (.2, .5, .3) less a third: covariance ⅓(.1667 · −.1333 + −.0333 · .1667 + −.1333 · −.0333), ρ = −.0233 / .0467 = −½
  const values = { student: logits([0.5, 0.3, 0.2]), teacher: logits([0.2, 0.5, 0.3]) }
  expect(await lossOf(dist({ temperature: 1, beta: 1, gamma: 0 }), values)).toBeCloseTo(1.5, 4)
  expect(() => dist({ temperature: 0 })).toThrow('dist term got temperature = 0.')
})
