import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describeTerm } from '@tersor/testing'
import { dkd } from './dkd.js'
import { lossOf } from './scene.fixture.js'
import { softLabels } from './soft-labels.js'

describeTerm(() => dkd())

const values = {
  teacher: tf.log(tf.tensor2d([[0.7, 0.2, 0.1]])),
  student: tf.log(tf.tensor2d([[0.5, 0.3, 0.2]])),
  target: tf.tensor1d([0], 'int32'),
}

it('tells the target from the rest', async () => {
  // .7 ln 1.4 + .3 ln .6; ⅔ ln (10 / 9) + ⅓ ln (5 / 6)
  expect(await lossOf(dkd({ beta: 0, temperature: 1 }), values)).toBeCloseTo(0.08228, 5)
  expect(await lossOf(dkd({ alpha: 0, beta: 1, temperature: 1 }), values)).toBeCloseTo(0.00947, 5)
})

it('is the whole divergence where the rest weighs what the teacher leaves it', async () => {
  const whole = await lossOf(softLabels({ temperature: 1 }), values)
  expect(whole).toBeCloseTo(0.08512, 5)
  expect(await lossOf(dkd({ beta: 0.3, temperature: 1 }), values)).toBeCloseTo(whole, 6)
  expect(() => dkd({ beta: -1 })).toThrow('dkd term got beta = -1.')
})
