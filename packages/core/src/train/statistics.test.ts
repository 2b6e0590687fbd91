import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { fromFloat32, memoryStore, toFloat32, type Dense } from '@tersor/tensor'
import type { Model, Statistics } from '../model/model.js'
import { sgd } from './sgd.js'
import { train } from './train.js'
import type { TrainOptions } from './train-options.js'

const norm: Statistics = { norm: 'norm', mean: 'norm.mean', variance: 'norm.variance', momentum: 0.1 }

/** (batch, 1) through a norm, times a weight of 1. */
const normed = (): Model => ({
  params: memoryStore({
    ...{ weight: fromFloat32([1], 'f32', [1]), other: fromFloat32([0], 'f32', [1]) },
    ...{ 'norm.mean': fromFloat32([0], 'f32', [1]), 'norm.variance': fromFloat32([1], 'f32', [1]) },
  }),
  stages: [
    {
      name: 'norm',
      parameters: ['weight', 'norm.mean', 'norm.variance'],
      buffers: ['norm.mean', 'norm.variance'],
      statistics: [norm],
      sites: [],
      run: (x, env) => {
        const { mean, variance } = env.moments?.(norm, x) ?? { mean: env.weights(norm.mean), variance: env.weights(norm.variance) }
        return tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(variance)), env.weights('weight'))
      },
    },
  ],
})

const inputs = [0, 2, 1, 5] // halves with the means 1 and 3
const options: TrainOptions = {
  objective: output => tf.mean(tf.square(output)),
  transform: sgd({ learningRate: 0 }),
  data: () => ({ input: tf.tensor2d(inputs, [4, 1]) }),
  steps: 1,
}
const running = async ({ params }: Model) => {
  const read = async (name: string) => toFloat32((await params.read(name)) as Dense)[0]
  return [await read(norm.mean), await read(norm.variance)]
}

describe.each(['cpu', 'ort'])('on %s', backend => {
  beforeEach(async () => void (await tf.setBackend(backend)))

  it('normalises by the batch, and keeps running measures as PyTorch does', async () => {
    const before = tf.memory().numTensors
    const losses: number[] = []
    const onProgress: TrainOptions['onProgress'] = event => event.type === 'trained' && losses.push(event.loss)
    // mean 2, variance 14 / 4 by which it is normalised and 14 / 3 which is kept
    expect(await running(await train(normed(), { ...options, onProgress }))).toEqual([expect.closeTo(0.2, 6), expect.closeTo(0.9 + 0.1 * (14 / 3), 5)]) // prettier-ignore
    expect(losses).toEqual([expect.closeTo(1, 5)])
    const two = await running(await train(normed(), { ...options, steps: 2 }))
    expect(two[0]).toBeCloseTo(0.9 * 0.2 + 0.2, 6)
    expect(tf.memory().numTensors).toBe(before)
  })

  it('leaves stored measures alone where it is told to', async () => {
    const losses: number[] = []
    const onProgress: TrainOptions['onProgress'] = event => event.type === 'trained' && losses.push(event.loss)
    expect(await running(await train(normed(), { ...options, statistics: 'stored', onProgress }))).toEqual([0, 1])
    expect(losses).toEqual([(0 + 4 + 1 + 25) / 4])
  })

  it('normalises ghost batches by themselves, whose measures follow each other', async () => {
    const losses: number[] = []
    const onProgress: TrainOptions['onProgress'] = event => event.type === 'trained' && losses.push(event.loss)
    // 0.9 · (0.1 · 1) + 0.1 · 3 = 0.39; variances 2 and 8
    const [mean, variance] = await running(await train(normed(), { ...options, statistics: { ghost: 2 }, onProgress }))
    expect(mean).toBeCloseTo(0.39, 6)
    expect(variance).toBeCloseTo(0.9 * (0.9 + 0.1 * 2) + 0.1 * 8, 5)
    expect(losses).toEqual([expect.closeTo(1, 5)]) // (−1, 1) and (−2, 2), each divided by its own deviation
    expect((await running(await train(normed(), { ...options, statistics: { ghost: 64 } })))[0]).toBeCloseTo(0.2, 6)
    await expect(train(normed(), { ...options, statistics: { ghost: 0 } })).rejects.toThrow(
      'train got statistics.ghost = 0.\nPass a positive integer: rows that are normalised together.',
    )
  })
})
