import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { capture } from '@tersor/backend-ort'
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

  it.each([1, 3, 1203, 40_000])('has the bits of single operations in float32: %d numbers', async length => {
    await tf.setBackend('ort')
    const [parameter, gradient, mean, root] = [1, 2, 3, 4].map(seed => tensor([length], seed))
    const square = tf.square(root)
    const [w, g, m, v] = await Promise.all([parameter, gradient, mean, square].map(async each => (await each.data<'float32'>()).slice()))
    const updated = adamUpdate({ parameter, gradient, mean, square }, { rate: 0.01, step: 3, weightDecay: 0.1 })
    const got = await Promise.all(updated.map(async each => (await each.data<'float32'>()).slice()))
    const f = Math.fround
    const [rate, epsilon] = [f((0.01 * Math.sqrt(1 - 0.999 ** 3)) / (1 - 0.9 ** 3)), f(1e-8 * Math.sqrt(1 - 0.999 ** 3))]
    const plain = (i: number): number[] => {
      const first = f(f(m[i] * f(0.9)) + f(g[i] * f(1 - 0.9)))
      const second = f(f(v[i] * f(0.999)) + f(f(g[i] * g[i]) * f(1 - 0.999)))
      const step = f(f(first / f(f(Math.sqrt(second)) + epsilon)) * rate)
      return [f(f(w[i] * f(1 - 0.001)) - step), first, second]
    }
    const expected = Array.from({ length }, (_, i) => plain(i))
    got.forEach((values, which) => expect(values).toEqual(Float32Array.from(expected, each => each[which])))
    tf.dispose([parameter, gradient, mean, square, root, ...updated])
  })

  it('is recorded where a function is captured', async () => {
    await tf.setBackend('ort')
    const [parameter, gradient, mean, square] = [1, 2, 3, 4].map(seed => tf.abs(tensor([30, 40], seed)))
    const step = (w: tf.Tensor, g: tf.Tensor, m: tf.Tensor, v: tf.Tensor) => [
      ...adamUpdate({ parameter: w, gradient: tf.mul(g, 2), mean: m, square: v }, { rate: 0.01, step: 3 }),
    ]
    const captured = capture(step, { records: 'first' })
    const got = captured(parameter, gradient, mean, square)
    const expected = step(parameter, gradient, mean, square)
    for (const i of [0, 1, 2]) expect(distance(await expected[i].data(), await got[i].data())).toBeLessThan(1e-6)
    captured.dispose()
    tf.dispose([parameter, gradient, mean, square, got, expected])
  })
})
