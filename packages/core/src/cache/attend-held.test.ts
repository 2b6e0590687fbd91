import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { fromFloat32 } from '@tersor/tensor'
import { attendHeld } from './attend-held.js'
import type { Entries } from './layer-cache.js'
import type { Page } from './page.js'

beforeEach(() => tf.engine().startScope())
afterEach(() => tf.engine().endScope())

const dense = (rows: number, entries: number, values: readonly number[]) =>
  fromFloat32(Float32Array.from(values), 'f32', [rows, entries, 2])
/** Keys (ln 3, 0) and (0, 0) of one row at 0 and 1, with values (1, 0) and (0, 1). */
const page = (counts?: Float32Array): Page => ({
  ...{ from: 0, to: 1, keys: dense(1, 2, [Math.log(3), 0, 0, 0]), values: dense(1, 2, [1, 0, 0, 1]) },
  ...{ positions: Int32Array.of(0, 1), ...(counts && { counts }) },
})
/** A key of zeros at 2, with the value (0, 2). */
const exact = (rows: number, width: number): Entries => ({
  keys: tf.zeros([rows, width, 2]),
  values: tf.tensor3d(Array.from({ length: rows * width * 2 }, (_, i) => (i % 2) * 2), [rows, width, 2]), // prettier-ignore
  positions: Int32Array.from({ length: width }, (_, i) => 3 - width + i),
})
const query = (rows: number): tf.Tensor3D => tf.tensor3d(Array.from({ length: rows }, () => [1, 0]).flat(), [rows, 1, 2]) // prettier-ignore
const expectClose = (x: tf.Tensor, expected: readonly number[]): void => {
  const values = x.dataSync()
  expect(values).toHaveLength(expected.length)
  expected.forEach((value, i) => expect(values[i]).toBeCloseTo(value, 6))
}

describe('attendHeld', () => {
  const queries = Int32Array.of(2)

  it('is one softmax over pages and exact entries: three to one to one', () => {
    const held = { pages: [page()], held: [exact(1, 1)], queries, window: null }
    expectClose(attendHeld(query(1), held, null), [0.6, 0.2 + 0.4])
  })

  it('raises scores of merged entries by the log of how many they were: three to two to one', () => {
    const held = { pages: [page(Float32Array.of(1, 2))], held: [exact(1, 1)], queries, window: null }
    expectClose(attendHeld(query(1), held, null), [3 / 6, 2 / 6 + 2 / 6])
  })

  it('hides what is outside of a window, by position', () => {
    const held = { pages: [page()], held: [exact(1, 1)], queries, window: 2 }
    expectClose(attendHeld(query(1), held, null), [0, 0.5 + 1])
  })

  it('gives rows what is theirs, where one has a page and the other has none', () => {
    const held = { pages: [page()], held: [exact(1, 1), exact(1, 3)], queries, window: null }
    expectClose(attendHeld(query(2), held, null), [0.6, 0.6, 0, 2])
  })
})
