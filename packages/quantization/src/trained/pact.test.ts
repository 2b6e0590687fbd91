import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { train } from '@tersor/core'
import { describeParametrization, picoModel } from '@tersor/testing'
import type { Dense } from '@tersor/tensor'
import { clippedAt, pact } from './pact.js'

describeParametrization(options => pact({ bits: 4, ...options }), { tolerance: 0.05 })

it('clips and rounds, and gives the bound the gradient of what it clips', async () => {
  const x = tf.tensor1d([-1, 0.4, 2])
  const levels = { low: tf.scalar(0), high: tf.scalar(3) }
  const { value, grads } = tf.valueAndGrads((x, alpha) => tf.sum(clippedAt(x, alpha, levels)))([x, tf.scalar(1)])
  expect([...(await clippedAt(x, tf.scalar(1), levels).data())]).toEqual([0, expect.closeTo(1 / 3, 6), 1])
  expect((await value.data())[0]).toBeCloseTo(4 / 3, 6)
  expect([...(await grads[0].data())]).toEqual([0, 1, 0])
  expect((await grads[1].data())[0]).toBe(1)
  // of both signs: −2 is clipped at −α (low / high), which moves with α
  const both = tf.grad(alpha => tf.sum(clippedAt(tf.tensor1d([-9]), tf.reshape(alpha, []), { low: tf.scalar(-2), high: tf.scalar(1) })))
  expect([...(await both(tf.tensor1d([1])).data())]).toEqual([-2])
})

it('begins at the largest input, and stores a grid', async () => {
  const { params } = await train(picoModel(), {
    objective: output => tf.mean(tf.mul(output, 0)),
    transform: { name: 'still', init: () => [], update: (gradient, state) => [tf.mul(gradient, 0), state] },
    data: () => ({ input: tf.fill([2, 16], 3) }),
    steps: 1,
    parametrize: pact({ inputs: 2, only: 'layers.0' }),
  })
  const read = async (name: string) => (await params.read(name)) as Dense
  expect(new Float32Array((await read('layers.0.input_scale')).bytes.slice().buffer)[0]).toBe(1) // 3 / (2² − 1)
  expect((await read('layers.0.input_zero_point')).bytes[0]).toBe(0)
  expect(params.info('layers.0.weight').codec).toBe('affine')
})

it('adds what the bounds cost, and checks its options when it is made', async () => {
  const cost = pact({ decay: 0.5 }).penalty!({ alpha: tf.scalar(4) } as never, undefined as never)
  expect((await cost.data())[0]).toBe(8)
  expect(() => pact({ decay: 2 })).toThrow('pact parametrization got decay = 2.\nPass a number from 0 to 1')
})
