import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { registerGradients } from './gradients.js'

registerGradients()

const range = (...shape: number[]): tf.Tensor =>
  tf.tidy(() => tf.add(tf.sin(tf.mul(tf.reshape(tf.range(1, 1 + shape.reduce((a, b) => a * b, 1)), shape), 1.7)), 1.5))

const CASES: Record<string, readonly [at: readonly number[], f: (x: tf.Tensor) => tf.Tensor]> = {
  'a row added to a matrix': [[3], x => tf.add(range(2, 3), x)],
  'a column subtracted': [[2, 1], x => tf.sub(range(2, 3), x)],
  'a product with itself': [[2, 3], x => tf.mul(x, x)],
  'a scalar factor': [[], x => tf.mul(x, range(2, 3))],
  'a dividend': [[2, 3], x => tf.div(x, range(2, 1))],
  'a divisor': [[2, 1], x => tf.div(range(2, 3), x)],
  'the larger of two': [[2, 3], x => tf.maximum(x, 1.6)],
  'the smaller of two': [[2, 3], x => tf.minimum(1.6, x)],
  'an absolute value': [[4], x => tf.abs(tf.sub(x, 1.6))],
  'a negation': [[4], x => tf.neg(x)],
  'a square': [[4], x => tf.square(x)],
  'a square root': [[4], x => tf.sqrt(x)],
  'an inverse square root': [[4], x => tf.rsqrt(x)],
  'an exponential': [[4], x => tf.exp(x)],
  'a logarithm': [[4], x => tf.log(x)],
  'a sigmoid': [[4], x => tf.sigmoid(x)],
  'a hyperbolic tangent': [[4], x => tf.tanh(x)],
  'a rectifier': [[5], x => tf.relu(tf.sub(x, 1.6))],
  'a choice': [[2, 3], x => tf.where(tf.greater(range(2, 3), 1.5), x, tf.mul(x, 3))],
  'a reshape': [[2, 3], x => tf.reshape(x, [3, 2])],
  'an added axis': [[2, 3], x => tf.expandDims(x, 1)],
  'a cast': [[3], x => tf.cast(x, 'float32')],
  'a copy': [[3], x => tf.clone(x)],
  'a transposition': [[2, 3, 4], x => tf.transpose(x, [1, 2, 0])],
  'a split': [[2, 4], x => tf.mul(...(tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor]))],
  'a concatenation': [[2, 2], x => tf.concat([range(2, 1), x, tf.square(x)], -1)],
  'a slice': [[3, 4], x => tf.slice(x, [1, 0], [2, 3])],
  padding: [
    [2, 2],
    x =>
      tf.pad(x as tf.Tensor2D, [
        [1, 0],
        [0, 2],
      ]),
  ],
  repetition: [[1, 3], x => tf.broadcastTo(x, [4, 2, 3])],
  'a sum along an axis': [[2, 3, 4], x => tf.sum(x, 1)],
  'a sum of all': [[2, 3], x => tf.sum(x)],
  'a mean along two axes': [[2, 3, 4], x => tf.mean(x, [0, -1], true)],
  'a maximum': [[2, 3], x => tf.max(x, 1)],
  softmax: [[2, 3], x => tf.softmax(x, -1)],
  'log softmax': [[2, 3], x => tf.logSoftmax(x, -1)],
  'rows by index': [
    [4, 3],
    x =>
      tf.gather(
        x,
        tf.tensor2d(
          [
            [1, 1],
            [3, 0],
          ],
          [2, 2],
          'int32',
        ),
      ),
  ],
  ...Object.fromEntries(
    [0, 1, 2, 3].flatMap(which => {
      const [a, b] = [(which & 1) === 1, (which & 2) === 2]
      const left = a ? [2, 4, 3] : [2, 3, 4]
      const right = b ? [2, 5, 4] : [2, 4, 5]
      return [
        [`the left factor of a product, ${a} ${b}`, [left, (x: tf.Tensor) => tf.matMul(x, range(...right), a, b)]],
        [`the right factor of a product, ${a} ${b}`, [right, (x: tf.Tensor) => tf.matMul(range(...left), x, a, b)]],
      ]
    }),
  ),
}

describe('registerGradients', () => {
  it.each(Object.entries(CASES))('gives what differences give: %s', async (_name, [shape, f]) => {
    const before = tf.memory().numTensors
    const x = range(...shape)
    const loss = (at: tf.Tensor): tf.Scalar => {
      const y = f(at)
      return tf.sum(tf.mul(y, tf.add(range(...y.shape), 0.3)))
    }
    const gradient = tf.tidy(() => tf.grad(loss)(x))
    const steps = tf.tidy(() =>
      tf.reshape(
        tf.stack(
          Array.from({ length: x.size }, (_, i) => {
            const step = tf.reshape(tf.mul(tf.slice(tf.oneHot(tf.scalar(i, 'int32'), x.size + 1), [0], [x.size]), 1e-2), x.shape)
            return tf.div(tf.sub(loss(tf.add(x, step)), loss(tf.sub(x, step))), 2e-2)
          }),
        ),
        x.shape,
      ),
    )
    const [got, expected] = [await gradient.data(), await steps.data()]
    expect(gradient.shape).toEqual(shape)
    got.forEach((value, i) => expect(Math.abs(value - expected[i])).toBeLessThan(3e-3 * Math.max(1, Math.abs(expected[i]))))
    tf.dispose([x, gradient, steps])
    expect(tf.memory().numTensors).toBe(before)
  })

  it('says what it cannot do', () => {
    const gathered = tf.grad(x => tf.sum(tf.gather(x, tf.tensor1d([1], 'int32'), 1)))
    expect(() => tf.tidy(() => gathered(range(2, 3)))).toThrow('Only rows can be gathered in training.')
  })
})
