import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { adam, decode, train, type Model, type TrainOptions } from '@tersor/core'
import { describeParametrization, outputOf, picoModel } from '@tersor/testing'
import { fromFloat32, memoryStore, type Dense, type Encoded } from '@tersor/tensor'
import { lsq, onSteps } from './lsq.js'

describeParametrization(options => lsq({ bits: 3, ...options }))
describeParametrization(options => lsq({ bits: 2, granularity: 'group', group: 5, ...options }), { tolerance: 0.02 })

const levels = { low: tf.scalar(-2), high: tf.scalar(1) }

it('rounds to steps, and has the gradient of LSQ by weight and step', async () => {
  const v = tf.tensor1d([-3, 0.2, 0.6, 5])
  const { value, grads } = tf.valueAndGrads((v, s) => tf.sum(onSteps(v, s, levels, 4)))([v, tf.scalar(1)])
  const made = onSteps(v, tf.scalar(1), levels, 4)
  expect([...(await made.data())].map(each => each + 0)).toEqual([-2, 0, 1, 1])
  // −2 − 0.2 + 0.4 + 1 = −0.8, times 1 / √(4 · 1)
  expect((await grads[1].data())[0]).toBeCloseTo(-0.4, 6)
  expect([...(await grads[0].data())]).toEqual([0, 1, 1, 0])
  expect((await value.data())[0]).toBe(0)
})

/** 1 → 1 with one weight a row. */
const rowsOf = (values: readonly number[]): Model => {
  const { stages } = picoModel()
  const weight = fromFloat32(Float32Array.from(values), 'f32', [2, values.length / 2])
  return { stages: [stages[0]], params: memoryStore({ 'layers.0.weight': weight }) }
}
const still: TrainOptions = {
  objective: output => tf.mean(tf.mul(output, 0)),
  transform: adam({ learningRate: 0 }),
  data: () => ({ input: tf.ones([1, 2]) }),
  steps: 1,
}

it('begins at 2 ⟨|w|⟩ / √high and stores codes', async () => {
  const scaleOf = async (granularity: 'tensor' | 'row') => {
    const { params } = await train(rowsOf([1, -3, 0.5, 0.5]), { ...still, parametrize: lsq({ bits: 2, granularity }) })
    const tree = (await params.read('layers.0.weight')) as Encoded
    return { scales: [...(await decode(tree.parts.scale).data())], values: [...(await decode(tree).data())].map(each => each + 0) }
  }
  // ⟨|w|⟩ is 1.25 of all, 2 and 0.5 of the rows; at 2 bits high is 1
  expect(await scaleOf('tensor')).toEqual({ scales: [2.5], values: [0, -2.5, 0, 0] })
  expect(await scaleOf('row')).toEqual({ scales: [4, 1], values: [0, -4, 0, 0] })
})

it('begins at the step that is nearest to a first batch of inputs', async () => {
  const input = () => tf.tensor2d([1, 2, 3, 10], [2, 2])
  const { params } = await train(rowsOf([1, -3, 0.5, 0.5]), { ...still, data: () => ({ input: input() }), parametrize: lsq({ inputs: 2 }) })
  // levels 0 … 3, steps k / 20 · 10 / 3: 19 / 6 makes it 0, 19/6, 19/6, 9.5, whose squares off are 1 + 1.36 + .03 + .25; 20 / 6 makes 2.89
  expect((await decode(await params.read('layers.0.input_scale')).data())[0]).toBeCloseTo(19 / 6, 5)
})

it('learns the step of inputs, and stores it as the grid of the site', async () => {
  const data: TrainOptions['data'] = (_step, rng) => {
    const input = tf.tensor2d(Float32Array.from({ length: 32 * 16 }, rng.normal), [32, 16])
    return { input, target: tf.slice(input, [0, 0], [-1, 8]) }
  }
  const before = tf.memory().numTensors
  const losses: number[] = []
  const result = await train(picoModel(), {
    objective: (output, { target }) => tf.mean(tf.square(tf.sub(output, target))),
    ...{ transform: adam({ learningRate: 0.03 }), data, steps: 15, parametrize: lsq({ bits: 4, inputs: 4 }) },
    onProgress: event => event.type === 'trained' && losses.push(event.loss),
  })
  expect(tf.memory().numTensors).toBe(before)
  expect(losses[14]).toBeLessThan(0.7 * losses[0])
  const zero = async (site: string) => (await result.params.read(`${site}.input_zero_point`)) as Dense
  expect([(await zero('layers.0')).dtype, [...(await zero('layers.0')).bytes]]).toEqual(['u4', [8]])
  expect([...(await zero('layers.1')).bytes]).toEqual([0]) // behind a ReLU
  // the stages that come back round their inputs: more decimals change nothing
  const [scale] = await decode(await result.params.read('layers.0.input_scale')).data()
  const at = async (value: number) => outputOf(result, tf.fill([1, 16], value))
  expect(await at(scale * 1.1)).toEqual(await at(scale * 0.9))
})

it('checks its options when it is made', () => {
  expect(() => lsq({ bits: 1 })).toThrow('lsq parametrization got bits = 1.\nPass an integer from 2 to 8: bits of a code.')
  expect(() => lsq({ group: 32 })).toThrow('lsq: group = 32 has no meaning when granularity is tensor.\nLeave one of the two out.')
})
