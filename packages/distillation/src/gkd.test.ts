import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { adam, createRng, forward, train, type Batch, type TrainOptions } from '@tersor/core'
import { picoLlama } from '@tersor/models'
import { describeTerm } from '@tersor/testing'
import { gkd, onPolicy } from './gkd.js'
import { lossOf } from './scene.fixture.js'

describeTerm(() => gkd())
describeTerm(() => gkd({ beta: 1, temperature: 1 }))

const values = { teacher: tf.log(tf.tensor2d([[0.5, 0.5]])), student: tf.log(tf.tensor2d([[0.9, 0.1]])) }

it('is the forward divergence, the reverse one, and between', async () => {
  const loss = (beta: number) => lossOf(gkd({ beta, temperature: 1 }), values)
  expect(await loss(0)).toBeCloseTo(0.5108, 4)
  expect(await loss(1)).toBeCloseTo(0.3681, 4)
  expect(await loss(0.5)).toBeCloseTo(0.10175, 4)
  expect(() => gkd({ beta: 2 })).toThrow('gkd term got beta = 2.')
})

describe('the student’s own texts', () => {
  beforeAll(async () => void (await tf.setBackend('cpu')))
  const model = picoLlama({ layers: 1, vocabulary: 64, seed: 5 })
  const data: TrainOptions['data'] = (_step, rng) => ({
    input: tf.tensor2d(Int32Array.from({ length: 8 }, () => rng.integer(60)), [2, 4], 'int32'), // prettier-ignore
  })
  /** The likeliest token behind each prompt. */
  const sample = ({ input }: Batch, weights: Parameters<Parameters<typeof onPolicy>[0]['sample']>[1]): Batch =>
    tf.tidy(() => {
      const last = tf.squeeze(tf.slice(forward(model, input, { weights }), [0, 3, 0], [-1, 1, -1]), [1]) // (2, vocabulary)
      return { input: tf.concat([input, tf.cast(tf.expandDims(tf.argMax(last, -1), 1), 'int32')], 1) }
    })

  it('learns from them at a share of the steps, with the weights of that step', async () => {
    const shapes: number[][] = []
    const seen: number[] = []
    const mixed = onPolicy({ data, share: 0.5, sample: async (batch, weights) => (seen.push((await weights('lm_head.weight').data())[0]), sample(batch, weights)) }) // prettier-ignore
    const before = tf.memory().numTensors
    await train(model, {
      ...{ objective: gkd({ beta: 1 }), teacher: picoLlama({ layers: 1, vocabulary: 64, seed: 9 }), steps: 8, seed: 1 },
      transform: adam({ learningRate: 0.01 }),
      data: async (step, rng, withWeights) => {
        const batch = await mixed(step, rng, withWeights)
        shapes.push(batch.input.shape)
        return batch
      },
    })
    expect(tf.memory().numTensors).toBe(before)
    const own = shapes.filter(([, length]) => length === 5).length
    expect(own).toBe(seen.length)
    expect(own).toBeGreaterThan(1)
    expect(own).toBeLessThan(8)
    expect(new Set(seen).size).toBe(own) // the student moved in between
  })

  it('frees the prompts where sampling fails, and checks its options', async () => {
    const before = tf.memory().numTensors
    const failing = onPolicy({ data, share: 1, sample: () => Promise.reject(new Error('no text')) })
    await expect(failing(0, createRng(1), async work => work(() => tf.scalar(0)))).rejects.toThrow('no text')
    expect(tf.memory().numTensors).toBe(before)
    expect(() => onPolicy({ data, sample, share: 2 })).toThrow(
      'onPolicy got share = 2.\nPass the share of steps that learn from the student’s own texts, 0 to 1.',
    )
  })
})
