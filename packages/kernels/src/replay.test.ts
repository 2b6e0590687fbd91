import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { replay } from './replay.js'

it('runs its JavaScript once and follows the values of its inputs', async () => {
  await tf.setBackend('ort')
  const before = tf.memory().numTensors
  let calls = 0
  const step = await replay((x, table) => (calls++, [tf.add(tf.matMul(x as tf.Tensor2D, table as tf.Tensor2D), 1), tf.mul(x, 2)]))
  const table = tf.tensor2d([0, 0, 0, 0, 0, 0], [3, 2])
  for (let row = 0; row < 3; row++) {
    const [x, rows] = [tf.tensor2d([1, 1, 1], [1, 3]), tf.tensor2d([row + 1, 10], [1, 2])]
    step!.writeRows(table, rows, row)
    const [sum, twice] = step!(x, table)
    expect([...(await sum.data())]).toEqual([[1, 3, 6][row] + 1, 10 * (row + 1) + 1])
    expect([...(await twice.data())]).toEqual([2, 2, 2])
    tf.dispose([x, rows, sum, twice])
  }
  expect(calls).toBe(1)
  step!.dispose()
  table.dispose()
  expect(tf.memory().numTensors).toBe(before)
})

it('writes rows of every matrix of a stack, after what is recorded has read them', async () => {
  await tf.setBackend('ort')
  const step = await replay(x => [tf.mul(x, 1)])
  const target = tf.tensor3d(Array.from({ length: 12 }, (_, i) => i), [2, 3, 2]) // prettier-ignore
  const seen = tf.add(target, tf.zeros([400, 1, 3, 2]))
  const rows = tf.tensor3d([-1, -2, -3, -4], [2, 1, 2])
  step!.writeRows(target, rows, 1)
  expect([...(await target.data())]).toEqual([0, 1, -1, -2, 4, 5, 6, 7, -3, -4, 10, 11])
  expect([...(await seen.data())].slice(0, 12)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  tf.dispose([target, seen, rows])
})

it('runs its JavaScript each time where it uses what the engine has no kernel for', async () => {
  await tf.setBackend('ort')
  const step = await replay(x => [tf.add(tf.topk(x, 2).values, tf.max(x))])
  for (let shift = 0; shift < 3; shift++) {
    const x = tf.tensor1d([1, 5 + shift, 3, 4])
    const [y] = step!(x)
    expect([...(await y.data())]).toEqual([10 + 2 * shift, 9 + shift])
    tf.dispose([x, y])
  }
  step!.dispose()
})

it('is left out on other engines', async () => {
  await tf.setBackend('cpu')
  expect(await replay(x => [x])).toBeUndefined()
})
