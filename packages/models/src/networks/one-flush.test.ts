import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { flush, statistics } from '@tersor/backend-ort'
import {
  adam,
  byPlace,
  crossEntropy,
  forward,
  frozen,
  leaves,
  loadModel,
  PROMPT,
  train,
  weightCompander,
  withPrompt,
  type Model,
  type TrainOptions,
} from '@tersor/core'
import { adamUpdate, registerGradients, scaleGradient, through } from '@tersor/kernels'
import { differentiableQuantization, quantizedDistillation } from '@tersor/quantization'
import { fromFloat32 } from '@tersor/tensor'
import { FRESH_CONFIGS } from './fresh-configs.fixture.js'
import { freshModel } from './fresh-model.js'

beforeAll(async () => {
  await tf.setBackend('ort')
  registerGradients()
})

const tensor = (count: number) => tf.tensor2d(Int32Array.from({ length: 2 * count }, (_, i) => (i * 7 + 3) % 60), [2, count], 'int32') // prettier-ignore

type Change = (weight: tf.Tensor, name: string) => tf.Tensor

/** A whole step of Adam on a model, with weights as `change` makes them: how often it reached for the engine, and what it left to tfjs-cpu. */
const step = async (name: string, change: Change, more: readonly tf.Variable[] = []) => {
  const model = freshModel(FRESH_CONFIGS[name], { seed: 2, deviation: 0.3 })
  const { weights, dispose } = await loadModel(model)
  const variables = new Map(model.params.names().map(each => [each, tf.variable(weights(each))]))
  const trained = [...variables.values(), ...more]
  const states = trained.map(({ shape }) => ({ mean: tf.zeros(shape), square: tf.zeros(shape) }))
  const [input, target] = [tensor(8), tensor(8)]
  const take = (count: number): tf.Tensor => {
    const { value, grads } = tf.variableGrads(
      () => crossEntropy(forward(model, input, { weights: each => change(variables.get(each)!, each) }), { input, target }),
      trained,
    )
    tf.tidy(() =>
      trained.forEach((parameter, i) => {
        const gradient = grads[parameter.name] ?? tf.zerosLike(parameter)
        const [moved] = adamUpdate({ parameter, gradient, ...states[i] }, { rate: 1e-3, step: count })
        parameter.assign(moved)
      }),
    )
    tf.dispose(grads)
    return value
  }
  const first = take(1)
  flush()
  const before = statistics()
  const [flushes, left] = [before.flushes, new Map(before.fallbacks)]
  const second = take(2)
  flush()
  const after = statistics()
  const fallbacks = [...after.fallbacks].filter(([kernel, count]) => count !== left.get(kernel)).map(([kernel]) => kernel)
  const losses = [(await first.data())[0], (await second.data())[0]]
  tf.dispose([first, second, input, target, states])
  trained.forEach(each => each.dispose())
  dispose()
  return { flushes: after.flushes - flushes, fallbacks, losses }
}

it.each(['mixtral', 'qwen3_moe'])('a step of experts is one graph: %s', async name => {
  const { flushes, fallbacks, losses } = await step(name, weight => weight)
  expect({ flushes, fallbacks }).toEqual({ flushes: 1, fallbacks: [] })
  expect(losses[1]).toBeLessThan(losses[0])
})

it('a step of weights in four bits, with a step size that learns, is one graph', async () => {
  const size = tf.variable(tf.scalar(0.1))
  const rounded: Change = (weight, name) => {
    if (!name.endsWith('_proj.weight')) return weight
    const learned = scaleGradient(size, 1 / Math.sqrt(weight.size * 7))
    const level = tf.clipByValue(tf.div(weight, learned), -8, 7)
    return tf.mul(through(tf.round(level), level), learned)
  }
  const { flushes, fallbacks, losses } = await step('llama', rounded, [size])
  expect({ flushes, fallbacks }).toEqual({ flushes: 1, fallbacks: [] })
  expect(losses[1]).toBeLessThan(losses[0])
})

/** What a training left to tfjs-cpu behind its first step. */
const leftBy = async (
  how: Pick<TrainOptions, 'parametrize'>,
  model: Model = freshModel(FRESH_CONFIGS.llama, { seed: 2 }),
): Promise<string[]> => {
  let [before, after] = [new Map<string, number>(), new Map<string, number>()]
  await train(model, {
    ...{ objective: crossEntropy, transform: adam({ learningRate: 1e-3 }), steps: 3, ...how },
    data: () => ({ input: tensor(8), target: tensor(8) }),
    onProgress: event => {
      if (event.type === 'trained' && event.step === 1) before = new Map(statistics().fallbacks)
      if (event.type === 'trained' && event.step === 3) after = new Map(statistics().fallbacks)
    },
  })
  return [...after].filter(([kernel, count]) => count !== before.get(kernel)).map(([kernel]) => kernel)
}

it.each([
  ['quantized distillation', quantizedDistillation({ bits: 3, bucket: 7 })],
  ['points that are learned', differentiableQuantization({ bits: 2, bucket: 7 })],
  ['weights through a curve', weightCompander({ learned: true })],
])('no step of %s leaves the engine', async (_, parametrize) => expect(await leftBy({ parametrize })).toEqual([]))

it('no step of a prompt leaves the engine', async () => {
  const prompt = fromFloat32(new Float32Array(3 * 32).fill(0.1), 'f32', [3, 32])
  const alone = byPlace([({ name }) => name === PROMPT, leaves()], [() => true, frozen])
  expect(await leftBy({ parametrize: alone }, withPrompt(freshModel(FRESH_CONFIGS.llama, { seed: 2 }), prompt))).toEqual([])
})
