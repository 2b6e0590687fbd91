import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import type { Entries, Env, LayerCache } from '@tersor/core'
import { createRng } from '@tersor/core'
import { registerGradients } from '@tersor/kernels/gradients'
import { softCap } from '@tersor/kernels/soft-cap'
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

/** Bytes of all tensors that stand at once. They are counted as tensors are made; timing each operation would run it by itself, for seconds. */
const peakBytesOf = async (run: () => tf.Tensor | tf.Tensor[]): Promise<number> => {
  const timed = jest.spyOn(tf.backend(), 'time').mockImplementation(async work => (work(), { kernelMs: 0 }))
  const { peakBytes, result } = await tf.profile(run as never)
  timed.mockRestore()
  tf.dispose(result)
  return peakBytes
}

describe('attention in bands', () => {
  beforeAll(async () => {
    registerGradients()
    await tf.setBackend('cpu')
  })

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

  it('holds memory that grows with the length of a prompt, and not with its square', async () => {
    await tf.setBackend('ort')
    expect(tf.getBackend()).toBe('ort')
    const peakOf = async (tokens: number): Promise<number> => {
      const [q, k, v] = [1, 2, 3].map(seed => tf.tensor4d(values(tokens * SIZE, seed), [1, 1, tokens, SIZE]))
      const options = { module: 'attention', scale: 0.7, bands: (entries: Entries) => bandsOver(causalBands(), tokens, entries, null) }
      const bytes = await peakBytesOf(() => tf.tidy(() => attend(q, k, v, {} as Env, options)))
      tf.dispose([q, k, v])
      return bytes
    }
    const [short, long] = [await peakOf(2304), await peakOf(3456)]
    expect(long / short).toBeLessThan(1.65) // 2.25 by the square
    await tf.setBackend('cpu')
  })

  describe('of a long text', () => {
    const given = (tokens: number): tf.Tensor[] =>
      [2, 1, 1].map((heads, i) => tf.tensor4d(values(heads * tokens * SIZE, i + 1), [1, heads, tokens, SIZE]))
    const optionsOf = (tokens: number, cap: number | null, window: number | null) => ({ module: 'attention', scale: 0.7, cap, bands: (entries: Entries) => bandsOver(causalBands(), tokens, entries, window) }) // prettier-ignore
    const gradientsOf = (inputs: tf.Tensor[], cap: number | null, window: number | null): tf.Tensor[] =>
      tf.tidy(() => {
        const options = optionsOf(inputs[0].shape[2]!, cap, window)
        return tf.grads((q, k, v) => tf.sum(tf.square(attend(q, k, v, {} as Env, options))))(inputs)
      })
    beforeAll(async () => {
      await tf.setBackend('ort')
      expect(tf.getBackend()).toBe('ort')
    })
    afterAll(() => tf.setBackend('cpu'))

    it('has the gradients of shares that are kept, within windows and under a soft limit', async () => {
      const [tokens, window, cap] = [2052, 300, 0.4] // above 2048 no shares are kept
      const inputs = given(tokens)
      const [q, k, v] = inputs
      const wanted = tf.tidy(() => {
        const hides = new Float32Array(tokens ** 2).fill(-1e9)
        for (let query = 0; query < tokens; query++)
          hides.fill(0, query * tokens + Math.max(0, query + 1 - window), query * (tokens + 1) + 1)
        const hidden = tf.tensor2d(hides, [tokens, tokens])
        const plainly = (...[rows, keys, mixed]: tf.Tensor[]): tf.Tensor => {
          const shared = [keys, mixed].map(x => tf.reshape(tf.tile(tf.expandDims(x, 2), [1, 1, 2, 1, 1]), rows.shape))
          const scores = softCap(tf.mul(tf.matMul(rows, shared[0], false, true), 0.7), cap)
          return tf.sum(tf.square(tf.matMul(tf.softmax(tf.add(scores, hidden)), shared[1])))
        }
        return tf.grads(plainly)([q, k, v])
      })
      const got = gradientsOf(inputs, cap, window)
      for (const [i, gradient] of got.entries()) {
        const far = tf.tidy(() => tf.div(tf.norm(tf.sub(gradient, wanted[i])), tf.norm(wanted[i])).dataSync()[0])
        expect(far).toBeLessThan(1e-5)
      }
      tf.dispose([...inputs, ...wanted, ...got])
    })

    it('holds memory for a gradient that grows with the length, and not with its square', async () => {
      const peakOf = async (tokens: number): Promise<number> => {
        const inputs = given(tokens)
        const bytes = await peakBytesOf(() => gradientsOf(inputs, null, null))
        tf.dispose(inputs)
        return bytes
      }
      expect((await peakOf(3456)) / (await peakOf(2304))).toBeLessThan(1.8) // 2.25 by the square
    })
  })

  it('gives what plain loops give in the bands of a long prompt', async () => {
    await tf.setBackend('ort')
    const [tokens, shape] = [3000, [1, 1, 3000, SIZE] as [number, number, number, number]]
    const [q, k, v] = [1, 2, 3].map(seed => values(tokens * SIZE, seed))
    const options = { module: 'attention', scale: 0.7, bands: (entries: Entries) => bandsOver(causalBands(), tokens, entries, null) }
    const out = tf.tidy(() => attend(tf.tensor4d(q, shape), tf.tensor4d(k, shape), tf.tensor4d(v, shape), {} as Env, options))
    const got = await out.data()
    out.dispose()
    for (const token of [0, 348, 349, 350, 1500, 2999]) {
      const own = q.subarray(token * SIZE, (token + 1) * SIZE)
      const weights = Array.from({ length: token + 1 }, (_, key) =>
        Math.exp(0.7 * own.reduce((sum, value, i) => sum + value * k[key * SIZE + i], 0)),
      )
      const total = weights.reduce((sum, weight) => sum + weight)
      const wanted = Array.from(own, (_, i) => weights.reduce((sum, weight, key) => sum + (weight / total) * v[key * SIZE + i], 0))
      wanted.forEach((value, i) => expect(got[token * SIZE + i]).toBeCloseTo(value, 5))
    }
    await tf.setBackend('cpu')
  })

  it('hides nothing from a single query', () => expect(causalBands()(1, 9, null)[0].hidden()).toBeUndefined())
})
