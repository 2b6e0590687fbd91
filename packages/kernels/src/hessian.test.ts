import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { hessianFactor } from './hessian.js'

beforeAll(() => tf.setBackend('cpu'))

/** Uᵀ · U, row by row. */
const squared = (upper: Float32Array, n: number): number[] =>
  Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n]
    return Array.from({ length: n }, (_, k) => upper[k * n + i] * upper[k * n + j]).reduce((sum, value) => sum + value, 0)
  })

const close = (values: readonly number[]) => values.map(value => expect.closeTo(value, 4) as number)

it('is the factor of the damped inverse, by hand', async () => {
  // mean of the diagonal 2, damping 0.5: H = [[2, 1], [1, 4]], of determinant 7
  const h = tf.tensor2d([[1, 1], [1, 3]]) // prettier-ignore
  const { upper, order } = await hessianFactor(h, 0.5)
  expect(squared(upper, 2)).toEqual(close([4 / 7, -1 / 7, -1 / 7, 2 / 7]))
  expect(upper[2]).toBe(0)
  expect(order).toBeUndefined()
  h.dispose()
})

it('puts columns with large inputs first where it is asked to', async () => {
  const h = tf.tensor2d([[1, 1], [1, 3]]) // prettier-ignore
  const { upper, order } = await hessianFactor(h, 0.5, { byInput: true })
  expect([...order!]).toEqual([1, 0])
  expect(squared(upper, 2)).toEqual(close([2 / 7, -1 / 7, -1 / 7, 4 / 7]))
  h.dispose()
})

it('takes columns without inputs for usual ones, and leaves what it is lent as it was', async () => {
  const lent = [4, 0, 0, 0, 0, 0, 0, 0, 2]
  const h = tf.tensor2d(lent, [3, 3])
  const { upper } = await hessianFactor(h, 0.01)
  expect([0, 4, 8].map(at => upper[at] ** -2)).toEqual(close([4.03, 3.03, 2.03]))
  expect([...(await h.data())]).toEqual(lent)
  const silent = tf.zeros([2, 2]) as tf.Tensor2D
  expect([...(await hessianFactor(silent, 0.01)).upper].map(value => value ** 2)).toEqual(close([1 / 1.01, 0, 0, 1 / 1.01]))
  tf.dispose([h, silent])
})
