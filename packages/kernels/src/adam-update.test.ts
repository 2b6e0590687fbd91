import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { adamUpdate } from '@tersor/kernels'
import { distance, tensor } from './values.reference.js'

async function run(backend: string) {
  await tf.setBackend(backend)
  expect(tf.getBackend()).toBe(backend)
  const slot = {
    parameter: tf.variable(tensor([30, 40])),
    mean: tf.variable(tf.zeros([30, 40])),
    square: tf.variable(tf.zeros([30, 40])),
  }
  const before = tf.memory().numTensors
  for (let step = 1; step <= 5; step++) {
    const gradient = tf.tidy(() => tf.sub(tf.mul(slot.parameter, 0.5), tensor([30, 40], step)))
    adamUpdate([slot], [gradient], { rate: 0.01, step, weightDecay: 0.1 })
    gradient.dispose()
  }
  expect(tf.memory().numTensors).toBe(before)
  const values = await Promise.all([slot.parameter, slot.mean, slot.square].map(async variable => (await variable.data()).slice()))
  tf.dispose([slot.parameter, slot.mean, slot.square])
  return values
}

describe('adamUpdate', () => {
  it('takes the first step by the learning rate against the sign of the gradient', async () => {
    await tf.setBackend('ort')
    const slot = { parameter: tf.variable(tf.tensor1d([1, 1])), mean: tf.variable(tf.zeros([2])), square: tf.variable(tf.zeros([2])) }
    adamUpdate([slot], [tf.tensor1d([0.3, -7])], { rate: 0.1, step: 1 })
    expect(distance([0.9, 1.1], await slot.parameter.data())).toBeLessThan(1e-6)
  })

  it('does the same fused as in tensors', async () => {
    const expected = await run('cpu')
    const got = await run('ort')
    expected.forEach((values, index) => expect(distance(values, got[index]!)).toBeLessThan(1e-6))
  })
})
