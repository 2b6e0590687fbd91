import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { byPlace, compress, frozen, sgd, train, type Model } from '@tersor/core'
import { describeParametrization, outputOf, picoBatches, picoModel, relativeError } from '@tersor/testing'
import { describe as form, memoryStore, toFloat32, fromFloat32, type Dense, type Encoded } from '@tersor/tensor'
import { rtn } from '../rounding/rtn.js'
import { atPoints, differentiableQuantization } from './differentiable-quantization.js'

describeParametrization(options => differentiableQuantization({ bits: 3, bucket: 8, ...options }))
describeParametrization(options => differentiableQuantization({ bits: 2, bucket: 5, ...options }), { tolerance: 0.02 })

it('takes the nearest point, whose gradient is the sum over those that took it', async () => {
  const [x, points] = [tf.tensor2d([[0.1, 0.2, 0.9]]), tf.tensor1d([0, 1])]
  const taken = atPoints(x, points)
  expect([...(await taken.data())]).toEqual([0, 0, 1])
  // an extent of 3, and gradients of 1, 2 and 5 behind it: 3 + 6 for the first point, 15 for the second
  const gradient = tf.grad((p: tf.Tensor) => tf.sum(tf.mul(tf.mul(atPoints(x, p), 3), [[1, 2, 5]])))(points)
  expect([...(await gradient.data())]).toEqual([9, 15])
  tf.dispose([x, points, taken, gradient])
})

const still = {
  objective: (output: tf.Tensor) => tf.mean(tf.mul(output, 0)) as tf.Scalar,
  transform: sgd({ learningRate: 1 }),
  data: () => ({ input: tf.ones([1, 4]) }),
  steps: 1,
}

it('begins at quantiles of the weights as they lie between 0 and 1', async () => {
  const weight = fromFloat32([0, 0.4, 1, 4, 10, 10, 10, 12], 'f32', [2, 4])
  const { stages } = picoModel()
  const model: Model = { stages: [stages[0]], params: memoryStore({ 'layers.0.weight': weight }) }
  const { params } = await train(model, { ...still, parametrize: differentiableQuantization({ bits: 2 }) })
  const tree = (await params.read('layers.0.weight')) as Encoded
  // 0 .1 .25 1 and 0 0 0 1, in order 0 0 0 0 .1 .25 1 1: places 0, 2, 5 and 7
  expect([...toFloat32(tree.parts.levels as Dense)]).toEqual([0, 0, 0.25, 1])
  expect(form(tree)).toBe('levels{data: u2, levels: f32, scale: f16, minimum: f16}')
  expect([...toFloat32(tree.parts.scale as Dense)]).toEqual([4, 2])
  expect([...toFloat32(tree.parts.minimum as Dense)]).toEqual([0, 10])
})

const calibration = picoBatches()
afterAll(() => tf.dispose(calibration))

it('answers better than rounding of as many bits, with the points alone learned', async () => {
  const expected = await outputOf(picoModel(), calibration[0])
  const errorOf = async (model: Model) => relativeError(expected, await outputOf(model, calibration[0]))
  const nearest = await compress(picoModel(), rtn({ bits: 2, symmetric: false, group: 16 }))
  const source = picoModel()
  const learned = await train(source, {
    parametrize: byPlace([({ site }) => site !== undefined, differentiableQuantization({ bits: 2, bucket: 16 })], [() => true, frozen]),
    objective: {
      name: 'squares',
      taught: true,
      loss: ({ student, teacher }) => tf.mean(tf.square(tf.sub(student.output, teacher.output))),
    },
    ...{ teacher: source, transform: sgd({ learningRate: 3e-3 }), steps: 20, data: () => ({ input: tf.clone(calibration[1]) }) },
  })
  expect(await errorOf(learned)).toBeLessThan(0.9 * (await errorOf(nearest)))
})

it('checks its options when it is made', () => {
  expect(() => differentiableQuantization({ bits: 5 })).toThrow(
    'differentiable-quantization parametrization got bits = 5.\nPass an integer from 1 to 4: bits of a code: each matrix has 2^bits points.',
  )
})
