import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-wasm'
import { registerWasmMatMul } from './wasm-mat-mul.js'

beforeAll(async () => {
  await tf.setBackend('wasm')
  registerWasmMatMul()
  registerWasmMatMul()
  expect(tf.getBackend()).toBe('wasm')
})

const values = (count: number, seed: number): number[] => Array.from({ length: count }, (_, i) => Math.sin(seed + 1.3 * i))

/** (batches, rows, inner) · (batches, inner, columns) in plain loops. */
const reference = (a: number[], b: number[], [batches, rows, inner, columns]: number[], once: readonly [boolean, boolean]): number[] =>
  Array.from({ length: batches * rows * columns }, (_, at) => {
    const [batch, row, column] = [Math.floor(at / (rows * columns)), Math.floor(at / columns) % rows, at % columns]
    let sum = 0
    for (let k = 0; k < inner; k++)
      sum += a[((once[0] ? 0 : batch) * rows + row) * inner + k] * b[((once[1] ? 0 : batch) * inner + k) * columns + column]
    return sum
  })

it.each([
  ['one product, the second factor turned', 1, 1, false, true],
  ['one product, the first factor turned', 1, 1, true, false],
  ['a stack', 3, 3, false, false],
  ['a stack with both turned', 3, 3, true, true],
  ['a stack and one matrix for all', 3, 1, false, true],
  ['one matrix for all and a stack', 1, 3, true, false],
])('multiplies %s', async (_name, left, right, transposeA, transposeB) => {
  const [rows, inner, columns] = [33, 40, 29]
  const [a, b] = [values(left * rows * inner, 1), values(right * inner * columns, 2)]
  const before = tf.memory().numTensors
  const product = tf.tidy(() => {
    const x = tf.tensor3d(a, [left, rows, inner])
    const y = tf.tensor3d(b, [right, inner, columns])
    return tf.matMul(transposeA ? tf.transpose(x, [0, 2, 1]) : x, transposeB ? tf.transpose(y, [0, 2, 1]) : y, transposeA, transposeB)
  })
  const got = await product.data()
  const want = reference(a, b, [Math.max(left, right), rows, inner, columns], [left === 1, right === 1])
  expect(want.filter((value, i) => !(Math.abs(got[i] - value) < 1e-4))).toEqual([])
  product.dispose()
  expect(tf.memory().numTensors).toBe(before)
})
