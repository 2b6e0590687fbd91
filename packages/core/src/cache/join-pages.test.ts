import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { useEngine } from '@tersor/testing'
import { fromFloat32, type Parameter } from '@tersor/tensor'
import { outliersOf } from '../codecs/outliers.js'
import { projectedOf } from '../codecs/projected.js'
import { tiledFrom, type TileGrid } from '../codecs/tiled.js'
import { turnedOf } from '../codecs/turned.js'
import { decode } from '../model/decode.js'
import { joinedTrees, withPages } from './join-pages.js'
import type { Page } from './page.js'

useEngine()

const numbers = (lines: number, seed: number): Float32Array =>
  Float32Array.from({ length: 2 * lines * 8 }, (_, i) => Math.sin(seed + i * i))
const coded = async (lines: number, seed: number, grid: TileGrid): Promise<Parameter> => {
  const x = tf.tensor3d(numbers(lines, seed), [2, lines, 8])
  const tree = await tiledFrom(x, grid)
  x.dispose()
  return tree
}
/** The values of trees (matrices, lines, columns) one behind the other. */
const valuesOf = (...trees: readonly Parameter[]): Float32Array =>
  tf.tidy(() => tf.concat(trees.map(tree => decode(tree)), 1).dataSync<'float32'>()) // prettier-ignore

const TOKEN = { bits: 4, symmetric: false, height: 1, width: 4 }
const CHANNEL = { bits: 2, symmetric: false, height: 4, width: 1 }

it.each([
  ['tiles of entries', 3, 5, TOKEN],
  ['tiles of channels', 8, 4, CHANNEL],
  ['codes around the middle', 3, 3, { bits: 8, symmetric: true, height: 1, width: 8 }],
] as const)('joins %s to what both decode to', async (_what, first, second, grid) => {
  const [a, b] = [await coded(first, 1, grid), await coded(second, 2, grid)]
  for (const [x, y] of [
    [a, b],
    [turnedOf(a), turnedOf(b)],
  ] as const)
    // prettier-ignore
    expect([...valuesOf(joinedTrees(x, y)!)]).toEqual([...valuesOf(x, y)])
})

it('joins features of one basis', () => {
  const basis = fromFloat32(numbers(1, 3), 'f32', [2, 8])
  const features = (count: number) => fromFloat32(numbers(1, count).subarray(0, 2 * count), 'f16', [1, count, 2])
  const [a, b] = [projectedOf(features(3), basis, 2), projectedOf(features(2), basis, 2)]
  expect([...valuesOf(joinedTrees(a, b)!)]).toEqual([...valuesOf(a, b)])
  expect(joinedTrees(a, projectedOf(features(2), fromFloat32(numbers(1, 3), 'f32', [2, 8]), 2))).toBeUndefined()
})

it('leaves apart what cannot be one', async () => {
  const a = await coded(6, 1, CHANNEL) // the last tile is lower
  expect(joinedTrees(a, await coded(4, 2, CHANNEL))).toBeUndefined()
  expect(joinedTrees(await coded(4, 1, CHANNEL), await coded(4, 1, TOKEN))).toBeUndefined()
  expect(joinedTrees(a, fromFloat32(numbers(4, 1), 'f16', [2, 4, 8]))).toBeUndefined()
  const sparse = outliersOf(
    fromFloat32([1, 2], 'f16', [2, 1, 1]),
    { kind: 'dense', dtype: 'u8', shape: [2, 1, 1], bytes: new Uint8Array(2) },
    2,
    8,
  )
  expect(joinedTrees(sparse, sparse)).toBeUndefined()
})

it('joins pages of the same rows, with the positions of each', async () => {
  const page = async (from: number, first: number, grid: TileGrid = TOKEN, positions = Int32Array.of(first, first + 1)): Promise<Page> => ({
    ...{ from, to: from + 2, positions },
    ...{ keys: await coded(2, first, grid), values: await coded(2, first + 1, grid) },
  })
  const pages = [await page(0, 0), await page(0, 2, { ...TOKEN, bits: 2 }), await page(2, 0)]
  const joined = withPages(pages, [await page(0, 4), await page(2, 2, TOKEN, Int32Array.of(2, 3, 2, 5))])
  expect(joined.map(({ from, keys, positions }) => [from, keys.shape[1], [...positions]])).toEqual([
    [0, 4, [0, 1, 4, 5]],
    [0, 2, [2, 3]],
    [2, 4, [0, 1, 2, 3, 0, 1, 2, 5]],
  ])
})
