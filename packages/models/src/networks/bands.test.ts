import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import type { Entries, Env, LayerCache } from '@tersor/core'
import { createRng } from '@tersor/core'
import { attend } from './attention.js'
import { bandsOver, causalBands } from './bands.js'

const [HEADS, KEY_HEADS, SIZE] = [4, 2, 3]

const values = (count: number, seed: number): Float32Array => {
  const rng = createRng(seed)
  return Float32Array.from({ length: count }, () => 2 * rng.uniform() - 1)
}

/** Scores of one head, softmax and weighted sum, one number at a time. */
const plain = (
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  { tokens, keys, window, scale }: { tokens: number; keys: number; window: number | null; scale: number },
): number[] => {
  const past = keys - tokens
  const out: number[] = []
  for (let token = 0; token < tokens; token++)
    for (let head = 0; head < HEADS; head++) {
      const shared = Math.floor(head / (HEADS / KEY_HEADS))
      const first = window === null ? 0 : Math.max(0, past + token + 1 - window)
      const weights: number[] = []
      for (let key = first; key <= past + token; key++) {
        let score = 0
        for (let i = 0; i < SIZE; i++) score += q[(head * tokens + token) * SIZE + i] * k[(shared * keys + key) * SIZE + i]
        weights.push(Math.exp(scale * score))
      }
      const total = weights.reduce((a, b) => a + b)
      for (let i = 0; i < SIZE; i++)
        out.push(weights.reduce((sum, weight, at) => sum + (weight / total) * v[(shared * keys + first + at) * SIZE + i], 0))
    }
  return out
}

describe('attention in bands', () => {
  beforeAll(() => tf.setBackend('cpu'))

  it.each([
    [1, 1, null],
    [63, 63, null],
    [64, 64, null],
    [129, 129, null],
    [200, 230, null],
    [200, 230, 50],
    [200, 200, 7],
    [600, 600, 100],
    [1, 90, 40],
  ])('gives what plain loops give: %d queries of %d keys, window %p', async (tokens, keys, window) => {
    const [q, k, v] = [values(HEADS * tokens * SIZE, 1), values(KEY_HEADS * keys * SIZE, 2), values(KEY_HEADS * keys * SIZE, 3)]
    const full = (array: Float32Array) => tf.tensor3d(array, [KEY_HEADS, keys, SIZE])
    const cache: LayerCache = { next: keys - tokens, append: () => [{ keys: full(k), values: full(v) }] }
    const bands = causalBands()
    const got = tf.tidy(() => {
      const fresh = tf.zeros([1, KEY_HEADS, tokens, SIZE])
      const options = { module: 'attention', scale: 0.7, bands: (entries: Entries) => bandsOver(bands, tokens, entries, window) }
      return attend(tf.tensor4d(q, [1, HEADS, tokens, SIZE]), fresh, fresh, { cache } as Env, options)
    })
    const expected = plain(q, k, v, { tokens, keys, window, scale: 0.7 })
    const actual = await got.data()
    got.dispose()
    expect(Math.max(...expected.map((value, at) => Math.abs(value - actual[at])))).toBeLessThan(1e-6)
  })

  it('leaves out what no query of a band sees', () => {
    const bands = causalBands()(256, 256, 64)
    expect(bands.map(({ queries, keys }) => [queries.from, queries.to, keys.from, keys.to])).toEqual([
      [0, 64, 0, 64],
      [64, 128, 1, 128],
      [128, 192, 65, 192],
      [192, 256, 129, 256],
    ])
  })

  it('hides nothing from a single query', () => expect(causalBands()(1, 9, null)[0].hidden()).toBeUndefined())
})
