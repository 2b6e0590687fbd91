import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describeEncoding } from '@tersor/testing'
import { miKv } from './mi-kv.js'
import { encodedBy } from './view.fixture.js'

// 32 of 40 entries of 2 heads: of 16 each time 4 in halves and 12 of 2 bits, scales and minimums of two groups of each; keys have a factor a channel
describeEncoding(() => miKv({ recent: 8, block: 16, important: 0.25 }), {
  ample: () => miKv({ recent: 64 }),
  bytes: [2 * 2 * 24 * 2, 2 * (2 * 8 * 8 * 2 + 2 * 24 * 2 * 4 + 8 * 2)],
  error: [0.5, 0.5],
})
describeEncoding(() => miKv({ recent: 8, high: '8', low: 4, important: 0.5, balanced: false }), {
  ample: () => miKv({ recent: 64, high: '8' }),
  bytes: [2 * 2 * (16 * 8 + 16 * 4), 2 * 2 * 32 * 2 * 4],
  error: [0.1, 0.1],
})

const SIZE = 8
/** Keys with a channel fifty times as large as the others, queries with the same channel fifty times as small. */
const keys = Array.from({ length: 64 * SIZE }, (_, i) => (i % SIZE === 2 ? 50 : 1) * Math.sin(i * i))
const rows = Array.from({ length: 16 * SIZE }, (_, i) => (i % SIZE === 2 ? 1 / 50 : 1) * Math.cos(i * i))
const shares = { sums: new Float32Array(64), counts: new Float32Array(64) }

const logits = (of: readonly number[]): number[] =>
  Array.from({ length: 16 * 64 }, (_, at) => {
    const [query, key] = [Math.floor(at / 64), at % 64]
    return Array.from({ length: SIZE }, (_, c) => rows[query * SIZE + c] * of[key * SIZE + c]).reduce((a, b) => a + b)
  })

it('balances channels of keys with those of queries', async () => {
  const queries = tf.tensor4d(rows, [1, 1, 16, SIZE])
  const far = async (balanced: boolean, low: number): Promise<number> => {
    const [part] = await encodedBy(miKv({ important: 0, balanced, low, high: '8' }), keys, SIZE, { queries, shares })
    const [got, wanted] = [logits(part.keys), logits(keys)]
    return Math.hypot(...wanted.map((value, i) => value - got[i])) / Math.hypot(...wanted)
  }
  expect(await far(true, 3)).toBeLessThan(0.5 * (await far(false, 3)))
  expect(await far(true, 8)).toBeLessThan(0.01)
  queries.dispose()
})

it('balances by the root of the largest query and key: 8 and 2 make 2, so that both become 4', async () => {
  const queries = tf.tensor4d([8, 1], [1, 1, 1, 2])
  const encoding = miKv({ important: 0, low: 8, high: '8', block: 1 })
  const [part] = await encodedBy(encoding, [2, 1], 2, { queries, shares: { sums: new Float32Array(1), counts: new Float32Array(1) } })
  expect(part.keys).toEqual([expect.closeTo(2, 2), expect.closeTo(1, 2)])
  queries.dispose()
})

it('keeps in full what took most attention, by the queries that saw it or as the paper has it', async () => {
  const queries = tf.zeros([1, 1, 4, 2]) as tf.Tensor4D
  const some = { sums: Float32Array.of(3, 2, 1.9, 1), counts: Float32Array.of(8, 4, 2, 4) }
  const of = async (like: 'counts' | 'paper') =>
    (await encodedBy(miKv({ important: 0.5, like }), [1, 2, 3, 4, 5, 6, 7, 8], 2, { queries, shares: some })).map(({ places }) => places)
  expect(await of('counts')).toEqual([[[1, 2]], [[0, 3]]])
  expect(await of('paper')).toEqual([[[0, 1]], [[2, 3]]])
  queries.dispose()
})

it('refuses fewer bits for what matters', () =>
  expect(() => miKv({ high: '4', low: 8 })).toThrow('mi-kv: low = 8 is above high = 4.\nGive important entries no fewer bits than the others.')) // prettier-ignore
