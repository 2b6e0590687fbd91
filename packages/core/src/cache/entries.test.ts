import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { evictedEntries, packedPositions, positionsOf, spansOf, withPositions } from './entries.js'
import type { Entries } from './layer-cache.js'

let before = 0
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

/** Two rows of three entries of two numbers: key e of row r is (10 r + e, 0), its value (0, 10 r + e). */
const entries = (positions?: Int32Array): Entries => ({
  keys: tf.tensor3d([0, 1, 2, 10, 11, 12].map(x => [x, 0]).flat(), [2, 3, 2]), // prettier-ignore
  values: tf.tensor3d([0, 1, 2, 10, 11, 12].map(x => [0, x]).flat(), [2, 3, 2]), // prettier-ignore
  ...(positions && { positions }),
})
const free = (held: readonly Entries[]): void => tf.dispose(held.map(({ keys, values }) => [keys, values]))

describe('positionsOf', () => {
  it('counts from 0 where none are written, shares one list, and gives each row its own', () => {
    for (const [positions, expected] of [
      [
        undefined,
        [
          [0, 1, 2],
          [0, 1, 2],
        ],
      ],
      [
        Int32Array.of(4, 6, 7),
        [
          [4, 6, 7],
          [4, 6, 7],
        ],
      ],
      [
        Int32Array.of(0, 1, 5, 0, 4, 5),
        [
          [0, 1, 5],
          [0, 4, 5],
        ],
      ],
    ] as const) {
      // prettier-ignore
      const held = entries(positions)
      expect(positionsOf(held).map(list => [...list])).toEqual(expected)
      free([held])
    }
  })
})

describe('packedPositions', () => {
  it('writes no more than is needed', () => {
    expect(packedPositions([Int32Array.of(0, 1), Int32Array.of(0, 1)])).toEqual({})
    expect(packedPositions([Int32Array.of(0, 2), Int32Array.of(0, 2)])).toEqual({ positions: Int32Array.of(0, 2) })
    expect(packedPositions([Int32Array.of(0, 2), Int32Array.of(1, 2)])).toEqual({ positions: Int32Array.of(0, 2, 1, 2) })
  })
})

describe('evictedEntries', () => {
  it('parts rows that keep different numbers, and keeps what stays with its position', () => {
    const held = entries(Int32Array.of(3, 5, 8))
    const kept = evictedEntries([held], [Int32Array.of(0, 2), Int32Array.of(1)])
    expect(spansOf(kept)).toEqual([[0, 1], [1, 2]]) // prettier-ignore
    expect(kept.map(({ keys }) => keys.arraySync())).toEqual([[[[0, 0], [2, 0]]], [[[11, 0]]]]) // prettier-ignore
    expect(kept.map(({ values }) => values.arraySync())).toEqual([[[[0, 0], [0, 2]]], [[[0, 11]]]]) // prettier-ignore
    expect(kept.map(part => positionsOf(part).map(list => [...list]))).toEqual([[[3, 8]], [[5]]])
    free([held, ...kept])
  })

  it('joins rows that hold equally many again', () => {
    const held = entries()
    const ragged = evictedEntries([held], [Int32Array.of(0, 1), Int32Array.of(2)])
    const even = evictedEntries(ragged, [Int32Array.of(1), Int32Array.of(0)])
    expect(even).toHaveLength(1)
    expect(even[0].keys.arraySync()).toEqual([[[1, 0]], [[12, 0]]])
    expect([...even[0].positions!]).toEqual([1, 2])
    free([held, ...ragged, ...even])
  })
})

describe('withPositions', () => {
  it('turns keys by what they move: from 10 to 4 at frequency 1 by -6 radians', () => {
    const held: Entries = { keys: tf.tensor3d([1, 0], [1, 1, 2]), values: tf.zeros([1, 1, 2]), positions: Int32Array.of(10) }
    const moved = withPositions(held, 5, Float32Array.of(1))
    const [x, y] = moved.keys.dataSync()
    expect(x).toBeCloseTo(Math.cos(-6), 6)
    expect(y).toBeCloseTo(Math.sin(-6), 6)
    expect([...moved.positions!]).toEqual([4])
    free([held, moved])
  })

  it('moves positions alone where nothing is rotated', () => {
    const held = entries(Int32Array.of(3, 5, 8))
    const moved = withPositions(held, 3, undefined)
    expect(moved.positions).toBeUndefined() // 0, 1, 2
    expect(moved.keys.arraySync()).toEqual(held.keys.arraySync())
    free([held, moved])
  })
})
