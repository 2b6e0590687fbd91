import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { adamUpdate } from '@tersor/kernels'
import { distance, tensor } from './values.reference.js'

async function run(backend: string) {
  await tf.setBackend(backend)
  expect(tf.getBackend()).toBe(backend)
  let [parameter, mean, square]: readonly tf.Tensor[] = [tensor([30, 40]), tf.zeros([30, 40]), tf.zeros([30, 40])]
  const before = tf.memory().numTensors
  for (let step = 1; step <= 5; step++) {
    const gradient = tf.tidy(() => tf.sub(tf.mul(parameter, 0.5), tensor([30, 40], step)))
    const old = [parameter, mean, square, gradient]
    ;[parameter, mean, square] = adamUpdate(
      { parameter: parameter, gradient, mean: mean, square: square },
      { rate: 0.01, step, weightDecay: 0.1 },
    )
    tf.dispose(old)
  }
  expect(tf.memory().numTensors).toBe(before)
  const values = await Promise.all([parameter, mean, square].map(async each => (await each.data()).slice()))
  tf.dispose([parameter, mean, square])
  return values
}

describe('adamUpdate', () => {
  it('takes the first step by the learning rate against the sign of the gradient', async () => {
    await tf.setBackend('ort')
    const zeros = () => tf.zeros([2])
    const tensors = { parameter: tf.tensor1d([1, 1]), gradient: tf.tensor1d([0.3, -7]), mean: zeros(), square: zeros() }
    const [parameter] = adamUpdate(tensors, { rate: 0.1, step: 1 })
    expect(distance([0.9, 1.1], await parameter.data())).toBeLessThan(1e-6)
  })

  it('does the same fused as in tensors', async () => {
    const expected = await run('cpu')
    const got = await run('ort')
    expected.forEach((values, index) => expect(distance(values, got[index])).toBeLessThan(1e-6))
  })
})
