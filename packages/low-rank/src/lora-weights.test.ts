import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { affineOf, createRng, sgd, train, type TrainOptions } from '@tersor/core'
import { describeParametrization, outputOf, picoModel } from '@tersor/testing'
import { describe as form, memorySink, type Encoded } from '@tersor/tensor'
import { loraWeights } from './lora-weights.js'

describeParametrization(options => loraWeights({ rank: 2, ...options }), { smaller: false })

const options: TrainOptions = {
  objective: (output, { target }) => tf.mean(tf.square(tf.sub(output, target))),
  transform: sgd({ learningRate: 0.1 }),
  data: () => ({ input: tf.ones([2, 16]), target: tf.ones([2, 8]) }),
  steps: 2,
}

it('begins as what stands there', async () => {
  const { init, weight } = loraWeights({ rank: 2, alpha: 4 })
  const base = tf.tensor2d([[1, 2, 3], [4, 5, 6]]) // prettier-ignore
  const state = init(base, undefined as never, createRng(1))
  expect([state.u.shape, state.v.shape]).toEqual([[2, 2], [2, 3]]) // prettier-ignore
  expect([...(await weight(state, undefined as never).data())]).toEqual([1, 2, 3, 4, 5, 6])
  // U V = ((1, 0), (0, 0)) · V, times α / r = 2
  const moved = weight({ ...state, u: tf.tensor2d([[1, 0], [0, 0]]), v: tf.tensor2d([[1, 1, 0], [9, 9, 9]]) }, undefined as never) // prettier-ignore
  expect([...(await moved.data())]).toEqual([3, 4, 3, 4, 5, 6])
})

it('leaves codes bit for bit, and stores the sum with α / r in it', async () => {
  const model = picoModel()
  const sink = memorySink()
  const quantized = affineOf({ shape: [32, 16], bits: 2, group: 16, codes: new Uint8Array(512).map((_, i) => i % 4), scales: new Float32Array(32).fill(0.25) }) // prettier-ignore
  await sink.write('layers.0.weight', quantized)
  await sink.write('layers.1.weight', await model.params.read('layers.1.weight'))
  const rounded = { ...model, params: await sink.finish() }
  let trained = new Float32Array()
  const input = tf.ones([2, 16])
  const result = await train(rounded, {
    ...{ ...options, parametrize: loraWeights({ rank: 3, alpha: 6 }) },
    watch: {
      every: 2,
      measure: async weights => {
        const output = tf.tidy(() => model.stages.reduce<tf.Tensor>((x, stage) => stage.run(x, { weights }), input))
        trained = Float32Array.from(await output.data<'float32'>())
        return 0
      },
    },
  })
  const tree = (await result.params.read('layers.0.weight')) as Encoded
  expect(form(tree)).toBe('sum{base: affine{data: u2, scale: f16}, update: factored{u: f32, v: f32}}')
  expect(tree.parts.base).toEqual(quantized)
  const output = await outputOf(result, input)
  output.forEach((value, i) => expect(value).toBeCloseTo(trained[i], 4))
})

it('checks its options when it is made', () => {
  expect(() => loraWeights({ rank: 0 })).toThrow(
    'lora-weights parametrization got rank = 0.\nPass an integer of at least 1: r: columns of U and rows of V.',
  )
})
