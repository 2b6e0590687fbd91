import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { registerGradients } from './gradients.js'
import { clampThrough, oneSided, scaleGradient, through } from './through.js'

beforeAll(() => void registerGradients())

/** Values of f, and its gradient where Σ weights · f is descended. */
const both = (f: (x: tf.Tensor) => tf.Tensor, x: readonly number[], weights: readonly number[]): readonly number[][] =>
  tf.tidy(() => {
    const input = tf.tensor1d([...x])
    const gradient = tf.grad(at => tf.sum(tf.mul(f(at), tf.tensor1d([...weights]))))(input)
    return [[...f(input).dataSync()], [...gradient.dataSync()]]
  })

describe.each(['cpu', 'ort'])('on %s', backend => {
  beforeAll(async () => void (await tf.setBackend(backend)))

  it('rounds forwards and passes gradients on', () =>
    expect(both(x => through(tf.round(x), x), [0.4, 0.6, -1.2], [1, 2, 3])).toEqual([
      [0, 1, -1],
      [1, 2, 3],
    ]))

  it('clamps forwards alone', () =>
    expect(both(x => clampThrough(x, -1, 1), [-3, 0.5, 2], [1, 2, 3])).toEqual([
      [-1, 0.5, 1],
      [1, 2, 3],
    ]))

  it('scales gradients alone', () =>
    expect(both(x => scaleGradient(x, 0.25), [1, 2], [4, -8])).toEqual([
      [1, 2],
      [1, -2],
    ]))

  it('lets back in what lies outside', () =>
    expect(both(x => oneSided(x, { low: 0, high: 1 }), [-1, -1, 0.5, 2, 2], [1, -1, 5, 1, -1])).toEqual([
      [0, 0, 0.5, 1, 1],
      [0, -1, 5, 1, 0],
    ]))

  it('holds one side where only one is given', () =>
    expect(both(x => oneSided(x, { low: 1e-3 }), [-1, -1, 7], [2, -2, 2])).toEqual([
      [Math.fround(1e-3), Math.fround(1e-3), 7],
      [0, -2, 2],
    ]))

  it('is differentiated twice: what stands behind the rounding is, and the rounding itself is straight', () => {
    const [second] = tf.tidy(() => {
      const loss = (x: tf.Tensor) => tf.sum(tf.pow(through(tf.round(x), x), 3)) as tf.Scalar // 3 · round(x)² for the first
      return tf
        .grad(x => tf.sum(tf.grad(loss)(x)))(tf.tensor1d([1.8]))
        .dataSync() // 6 · round(x)
    })
    expect(second).toBe(12)
  })
})

it('takes two tensors of one shape', () =>
  expect(() => through(tf.zeros([2, 3]), tf.zeros([3]))).toThrow(
    'through got a value of [2, 3] for an x of [3].\nPass two tensors of one shape: broadcast the smaller one first.',
  ))
