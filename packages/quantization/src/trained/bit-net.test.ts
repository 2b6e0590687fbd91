import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { adam, decode, train, type TrainOptions } from '@tersor/core'
import { describeParametrization, picoModel } from '@tersor/testing'
import { codesOf, describe as form, fromFloat32, memoryStore, toFloat32, type Dense, type Encoded } from '@tersor/tensor'
import { bitNet, ternary } from './bit-net.js'

describeParametrization(options => bitNet({ ...options }))

it('makes weights of three values', async () => {
  const weight = tf.tensor2d([[0.5, -0.1], [0.9, -0.5]]) // prettier-ignore
  expect([...(await ternary(weight).data())].map(each => each + 0)).toEqual([0.5, 0, 0.5, -0.5])
})

it('stores −1, 0 and 1 alone, however large a weight is', async () => {
  const { stages } = picoModel()
  const params = memoryStore({ 'layers.0.weight': fromFloat32([0.5, -0.25, 8, -8, 0, 0.25, 1, -1], 'f32', [2, 4]) })
  const still: TrainOptions = {
    ...{ objective: output => tf.mean(tf.mul(output, 0)), transform: adam({ learningRate: 0 }), steps: 1 },
    ...{ data: () => ({ input: tf.ones([1, 4]) }), parametrize: bitNet() },
  }
  const trained = await train({ stages: [stages[0]], params }, still)
  const tree = (await trained.params.read('layers.0.weight')) as Encoded
  // the mean size is 2.375: a weight of 1 is nearer to 0, and −8 is −1
  expect([...codesOf(tree.parts.data as Dense)]).toEqual([2, 2, 3, 1, 2, 2, 2, 2])
  expect([...toFloat32(tree.parts.scale as Dense)]).toEqual([2.375])
})

it('stores one number and codes of two bits, and learns with rounded inputs', async () => {
  const losses: number[] = []
  const options: TrainOptions = {
    objective: (output, { target }) => tf.mean(tf.square(tf.sub(output, target))),
    transform: adam({ learningRate: 0.04 }),
    data: (_step, rng) => {
      const input = tf.tensor2d(Float32Array.from({ length: 32 * 16 }, rng.normal), [32, 16])
      return { input, target: tf.slice(input, [0, 0], [-1, 8]) }
    },
    steps: 20,
    onProgress: event => event.type === 'trained' && losses.push(event.loss),
  }
  const { params } = await train(picoModel(), { ...options, parametrize: bitNet({ inputs: true }) })
  expect(losses[19]).toBeLessThan(0.7 * losses[0])
  const weight = await params.read('layers.0.weight')
  expect(form(weight)).toBe('affine{data: u2, scale: f16}')
  const values = await decode(weight).data()
  expect(new Set(values.map(Math.abs)).size).toBeLessThanOrEqual(2)
})

it('checks its options when it is made', () => {
  expect(() => bitNet({ bits: 2 } as never)).toThrow('bit-net parametrization has no option "bits".')
})
