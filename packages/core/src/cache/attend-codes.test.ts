import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { fromFloat32 } from '@tersor/tensor'
import { tiledFrom } from '../codecs/tiled.js'
import { decode } from '../model/decode.js'
import { attendCodes } from './attend-codes.js'
import { attendHeld } from './attend-held.js'
import type { Entries } from './layer-cache.js'
import type { Page } from './page.js'

beforeAll(() => tf.setBackend('cpu'))
beforeEach(() => tf.engine().startScope())
afterEach(() => tf.engine().endScope())

const SIZE = 16
const wave = (shape: [number, number, number], seed: number): tf.Tensor3D =>
  tf.tensor3d(
    Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => Math.sin(seed + 1.3 * i)),
    shape,
  )

/** Codes of two rows from position 0 on, and the same as the numbers that they stand for. */
const pages = async (entries: number, bits: number, counts?: Float32Array): Promise<readonly [Page, Page]> => {
  const grid = { bits, symmetric: false, height: 1, width: SIZE }
  const [keys, values] = await Promise.all([1, 2].map(seed => tiledFrom(wave([2, entries, SIZE], seed), grid)))
  const place = { from: 0, to: 2, positions: Int32Array.from({ length: entries }, (_, i) => i), ...(counts && { counts }) }
  const exact = (tree: typeof keys) => fromFloat32(decode(tree).dataSync() as Float32Array, 'f32', [2, entries, SIZE])
  return [
    { ...place, keys, values },
    { ...place, keys: exact(keys), values: exact(values) },
  ]
}
const exact = (rows: number, width: number, next: number): Entries => ({
  ...{ keys: wave([rows, width, SIZE], 3), values: wave([rows, width, SIZE], 4) },
  positions: Int32Array.from({ length: width }, (_, i) => next - width + i),
})
const differenceOf = (a: tf.Tensor, b: tf.Tensor): number => tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]

it.each([
  ['one query of each row', 1, {}, null],
  ['two queries, a window', 2, { window: 5 }, null],
  ['scores kept in bounds', 1, {}, 0.5],
  ['merged entries', 1, { counts: Float32Array.from({ length: 14 }, (_, i) => 1 + (i % 3)) }, null],
  ['rows that hold different numbers', 1, { ragged: true }, null],
] as const)('attends as to what its codes stand for: %s', async (_what, groups, how, cap) => {
  const { window = null, counts, ragged = false } = how as { window?: number; counts?: Float32Array; ragged?: boolean }
  const [coded, plain] = await pages(7, 8, counts)
  const q = wave([2, groups, SIZE], 5)
  const held = ragged ? [exact(1, 2, 10), exact(1, 3, 10)] : [exact(2, 3, 10)]
  const rest = { held, queries: Int32Array.of(9), window }
  const mixed = attendCodes(q, { pages: [coded], ...rest }, cap)
  expect(mixed?.shape).toEqual([2, groups, SIZE])
  expect(differenceOf(mixed!, attendHeld(q, { pages: [plain], ...rest }, cap))).toBeLessThan(2e-6)
})

it('is not for pages of another form, nor for many queries', async () => {
  const [coded, plain] = await pages(7, 8)
  const rest = { held: [exact(2, 1, 8)], queries: Int32Array.of(7), window: null }
  expect(attendCodes(wave([2, 1, SIZE], 5), { pages: [coded, plain], ...rest }, null)).toBeUndefined()
  expect(attendCodes(wave([2, 33, SIZE], 5), { pages: [coded], ...rest }, null)).toBeUndefined()
  expect(attendCodes(wave([2, 1, SIZE], 5), { pages: [], ...rest }, null)).toBeUndefined()
})
