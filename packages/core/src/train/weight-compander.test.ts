import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describeParametrization, outputOf, picoModel, relativeError, useEngine, valuesOf } from '@tersor/testing'
import { sgd } from './sgd.js'
import { train } from './train.js'
import type { TrainOptions } from './train-options.js'
import { companded, expanded, weightCompander } from './weight-compander.js'

describeParametrization(options => weightCompander({ ...options }), { smaller: false })
describeParametrization(options => weightCompander({ learned: true, ...options }), { smaller: false })

useEngine()

it('bends by an arc tangent, and back', async () => {
  const values = async (x: tf.Tensor) => [...(await x.data())]
  expect(await values(companded(tf.tensor1d([1, -1, 0]), 1, 1))).toEqual(
    [Math.PI / 4, -Math.PI / 4, 0].map(each => expect.closeTo(each, 6)),
  )
  // 2 arctan(0.6 / 3) and back
  expect(await values(expanded(tf.tensor1d([2 * Math.atan(0.2)]), 2, 3))).toEqual([expect.closeTo(0.6, 6)])
  const gradient = tf.grad((v: tf.Tensor) => companded(v, 2, 0.5))(tf.tensor1d([0, 0.5]))
  expect(await values(gradient)).toEqual([4, 2].map(each => expect.closeTo(each, 5))) // a / b at 0, half of it at b
})

const ones = { transform: sgd({ learningRate: 0 }), data: () => ({ input: tf.ones([1, 16]) }), steps: 1 }

it('begins with the network that stands there', async () => {
  const still: TrainOptions = { ...ones, objective: output => tf.mean(output) }
  const same = await train(picoModel(), { ...still, parametrize: weightCompander({ reach: 1.2, slope: 2 }) })
  const input = tf.tensor2d(Float32Array.from({ length: 32 }, (_, i) => Math.sin(i)), [2, 16]) // prettier-ignore
  expect(relativeError(await outputOf(picoModel(), input), await outputOf(same, input))).toBeLessThan(1e-5)
  input.dispose()
})

it('bounds the largest weight where plain training lets it grow', async () => {
  const largest = async (how: Partial<TrainOptions>) => {
    const pulled: TrainOptions = { ...ones, objective: output => tf.neg(tf.mean(output)), transform: sgd({ learningRate: 5 }), steps: 10 }
    const model = await train(picoModel(), { ...pulled, ...how })
    return Math.max(...(await valuesOf(await model.params.read('layers.0.weight'))).flat().map(Math.abs))
  }
  const before = Math.max(...(await valuesOf(await picoModel().params.read('layers.0.weight'))).flat().map(Math.abs))
  expect(await largest({ parametrize: weightCompander({ reach: 1.5 }) })).toBeLessThan(1.5 * before * (1 + 1e-6))
  expect(await largest({})).toBeGreaterThan(1.5 * before)
})

it('checks its options when it is made', () => {
  expect(() => weightCompander({ reach: 1 })).toThrow(
    'weight-compander: reach = 1 leaves no room above the largest weight.\nPass a number above 1.',
  )
  expect(() => weightCompander({ slope: 0 })).toThrow('weight-compander parametrization got slope = 0.')
})
