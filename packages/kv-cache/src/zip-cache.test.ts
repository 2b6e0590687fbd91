import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { createRng } from '@tersor/core'
import { describeEncoding } from '@tersor/testing'
import { encodedBy } from './view.fixture.js'
import { probesOf, zipCache } from './zip-cache.js'

// 32 of 40 entries of 2 heads: 16 of 4 bits and 16 of 2; keys: scale and minimum of 8 channels of either set, values: of each entry, and a
// factor for each channel of either set
describeEncoding(() => zipCache({ recent: 8, block: 16, salient: 0.5 }), {
  ample: () => zipCache({ recent: 64 }),
  bytes: [2 * 2 * (16 * 4 + 16 * 2), 2 * (2 * 8 * 4 + 32 * 4 + 2 * 8 * 2)],
  error: [0.3, 0.3],
})

const x = Array.from({ length: 8 * 4 }, (_, i) => Math.sin(3 * i))
const queries = tf.zeros([1, 1, 8, 4]) as tf.Tensor4D
afterAll(() => queries.dispose())

it('gives more bits to what took most of the attention of probes that saw it', async () => {
  const sharesOf = () => ({ sums: Float32Array.of(4, 3, 2, 1.9, 1, 0.5, 0.9, 0), counts: Float32Array.of(8, 8, 6, 4, 2, 2, 1, 0) })
  const places = async (like: 'counts' | 'sums') =>
    (await encodedBy(zipCache({ salient: 0.5, like }), x, 4, { queries, sharesOf })).map(part => part.places)
  // 0.5, 0.375, 0.333, 0.475, 0.5, 0.25, 0.9, and one that no probe saw; of equals the earlier
  expect(await places('counts')).toEqual([[[0, 4, 6, 7]], [[1, 2, 3, 5]]])
  expect(await places('sums')).toEqual([[[0, 1, 2, 3]], [[4, 5, 6, 7]]])
})

it('separates channels of values, so that a large one spoils no other', async () => {
  const values = Array.from({ length: 64 * 16 }, (_, i) => (i % 16 === 5 ? 100 : 1) * Math.sin(i * i))
  const sharesOf = () => ({ sums: new Float32Array(64), counts: new Float32Array(64) })
  const [part] = await encodedBy(zipCache({ salient: 1 }), values, 16, { queries: tf.zeros([1, 1, 64, 16]), sharesOf })
  const errors = part.values.map((value, i) => (i % 16 === 5 ? 0 : Math.abs(value - values[i])))
  expect(Math.max(...errors)).toBeLessThan(1) // in fifteenths of 20 and not of 200
})

it('probes with the last queries and with others of chance, none twice', () => {
  const probes = [...probesOf(100, 0.1, createRng(3))]
  expect(new Set(probes).size).toBe(10)
  expect(probes.slice(0, 5)).toEqual([99, 98, 97, 96, 95])
  expect([...probesOf(100, 0.1, createRng(3))]).toEqual(probes)
  expect([...probesOf(1, 0.1, createRng(3))]).toEqual([0])
})

it('averages 3.2 bits at 60 % of 4 and 40 % of 2', async () => {
  const all = Array.from({ length: 100 * 128 }, (_, i) => Math.sin(i))
  const sharesOf = () => ({ sums: new Float32Array(100), counts: new Float32Array(100) })
  const parts = await encodedBy(zipCache(), all, 128, { queries: tf.zeros([1, 1, 100, 128]), sharesOf })
  const scales = 2 * (2 * 128 * 2) + 100 * 4 + 2 * 128 * 2 // keys by channels of either set, values by entries, and their channels
  expect(parts.reduce((sum, { bytes }) => sum + bytes, 0)).toBe((2 * 100 * 128 * 3.2) / 8 + scales)
})

it('refuses fewer bits for what matters', () =>
  expect(() => zipCache({ high: 2, low: 4 })).toThrow('zip-cache: low = 4 is above high = 2.\nGive salient entries no fewer bits than the others.')) // prettier-ignore
