import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { describePass, outputOf, picoModel } from '@tersor/testing'
import { fromFloat32, memoryStore, toFloat32, type Dense } from '@tersor/tensor'
import type { Model, Stage, Statistics } from '../model/model.js'
import { compress } from '../run/compress.js'
import { estimateStatistics } from './estimate-statistics.js'

const norm: Statistics = { norm: 'norm', mean: 'norm.mean', variance: 'norm.variance', momentum: 0.1 }
const stage: Stage = {
  name: 'norm',
  parameters: ['norm.mean', 'norm.variance'],
  buffers: ['norm.mean', 'norm.variance'],
  statistics: [norm],
  sites: [],
  run: (x, env) => {
    const { mean, variance } = env.moments?.(norm, x) ?? { mean: env.weights(norm.mean), variance: env.weights(norm.variance) }
    return tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)))
  },
}
const measures = (width: number) => ({
  'norm.mean': fromFloat32(new Float32Array(width), 'f32', [width]),
  'norm.variance': fromFloat32(new Float32Array(width).fill(1), 'f32', [width]),
})

/** The smallest model with a norm before it. */
const normedPico = (): Model => {
  const { params, stages } = picoModel()
  const own = memoryStore(measures(16))
  const at = (name: string) => (name.startsWith('norm') ? own : params)
  const store = { names: () => [...own.names(), ...params.names()], info: (name: string) => at(name).info(name), read: (name: string) => at(name).read(name) } // prettier-ignore
  return { params: store, stages: [stage, ...stages] }
}

describePass(() => estimateStatistics(), { model: normedPico, calibrated: true })

it('takes the mean over batches of their measures', async () => {
  const batches = [tf.tensor2d([0, 2], [2, 1]), tf.tensor2d([3, 3, 9], [3, 1]), tf.tensor2d([100], [1, 1])]
  const model: Model = { params: memoryStore(measures(1)), stages: [stage] }
  const before = tf.memory().numTensors
  const measured = await compress(model, estimateStatistics({ batches: 2 }), { calibration: batches })
  expect(tf.memory().numTensors).toBe(before)
  const read = async (name: string) => toFloat32((await measured.params.read(name)) as Dense)[0]
  // means 1 and 5; unbiased variances 2 and 12
  expect([await read('norm.mean'), await read('norm.variance')]).toEqual([3, 7])
  tf.dispose(batches)
})

it('leaves a network without norms as it is', async () => {
  const input = tf.ones([2, 16])
  const model = picoModel()
  expect(await outputOf(await compress(model, estimateStatistics(), { calibration: [input] }), input)).toEqual(await outputOf(model, input))
  expect(() => estimateStatistics({ batches: 0 })).toThrow('estimate-statistics got batches = 0.')
  input.dispose()
})
