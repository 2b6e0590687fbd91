import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { registerGradients } from './gradients.js'
import { attendTile, finishAttention, tiledAttention, type TiledAttentionOptions } from './tiled-attention.js'

beforeAll(() => tf.setBackend('cpu'))
beforeAll(() => void registerGradients())

const waves = (shape: [number, number, number], seed: number): tf.Tensor3D =>
  tf.tensor3d(
    Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => 1.5 * Math.sin(seed + i * i * 0.7)),
    shape,
  )

/** All scores at once. */
const plain = (q: tf.Tensor3D, k: tf.Tensor3D, v: tf.Tensor3D, how: TiledAttentionOptions): tf.Tensor3D => {
  const { scale = 1 / Math.sqrt(q.shape[2]), causal = false, window = null, cap = null } = how
  const [queries, keys] = [q.shape[1], k.shape[1]]
  const raw = tf.mul(tf.matMul(q, k, false, true), scale)
  const scores = cap === null ? raw : tf.mul(tf.tanh(tf.div(raw, cap)), cap)
  const mask = Float32Array.from({ length: queries * keys }, (_, at) => {
    const position = keys - queries + Math.floor(at / keys)
    const key = at % keys
    return (causal && key > position) || (window !== null && key <= position - window) ? -1e30 : 0
  })
  return tf.matMul(tf.softmax(tf.add(scores, tf.tensor3d(mask, [1, queries, keys]))), v)
}

const largest = async (a: tf.Tensor, b: tf.Tensor): Promise<number> => {
  const difference = tf.tidy(() => tf.max(tf.abs(tf.sub(a, b))))
  const [value] = await difference.data()
  difference.dispose()
  return value
}

it('merges parts by hand', async () => {
  // scores 0 and ln 3 in two tiles: shares ¼ and ¾
  const q = tf.tensor3d([[[1]]])
  const part = (score: number, value: number, before?: ReturnType<typeof attendTile>) =>
    attendTile(q, tf.tensor3d([[[score]]]), tf.tensor3d([[[value]]]), undefined, before)
  const { output, logSum } = finishAttention(part(Math.log(3), 8, part(0, 4)))
  expect((await output.data())[0]).toBeCloseTo(7, 5)
  expect((await logSum.data())[0]).toBeCloseTo(Math.log(4), 5)
})

const cases: readonly (readonly [string, number, number, TiledAttentionOptions])[] = [
  ['everything', 9, 13, { tile: 4 }],
  ['causal', 12, 12, { tile: 5, causal: true }],
  ['causal behind a past', 5, 14, { tile: 4, causal: true }],
  ['a window', 12, 15, { tile: 4, causal: true, window: 3 }],
  ['a soft limit', 8, 8, { tile: 3, causal: true, cap: 0.8, scale: 1.3 }],
  ['one tile', 6, 6, { causal: true }],
]

it.each(cases)('gives what all scores at once give, forwards and backwards: %s', async (_name, queries, keys, how) => {
  const [q, k, v, dy] = [waves([2, queries, 4], 1), waves([2, keys, 4], 2), waves([2, keys, 4], 3), waves([2, queries, 4], 4)]
  const [tiled, whole] = [tiledAttention(q, k, v, how), plain(q, k, v, how)]
  expect(await largest(tiled, whole)).toBeLessThan(1e-5)
  const gradients = (attention: typeof plain): tf.Tensor[] =>
    tf.grads((...inputs: tf.Tensor[]) => attention(inputs[0] as tf.Tensor3D, inputs[1] as tf.Tensor3D, inputs[2] as tf.Tensor3D, how))(
      [q, k, v],
      dy,
    )
  const [ours, theirs] = [gradients(tiledAttention), gradients(plain)]
  for (const [i, gradient] of ours.entries()) expect(await largest(gradient, theirs[i])).toBeLessThan(1e-5)
  tf.dispose([q, k, v, dy, tiled, whole, ours, theirs])
})

it.each(['forwards', 'backwards'])('holds memory that grows with the length and not with its square, %s', async direction => {
  const peakOf = async (length: number): Promise<number> => {
    const [q, k, v] = [1, 2, 3].map(seed => waves([1, length, 4], seed))
    const run = (): tf.Tensor | tf.Tensor[] => {
      const attend = (...[a, b, c]: tf.Tensor[]): tf.Tensor =>
        tiledAttention(a as tf.Tensor3D, b as tf.Tensor3D, c as tf.Tensor3D, { tile: 32, causal: true })
      return direction === 'forwards' ? attend(q, k, v) : tf.grads(attend)([q, k, v])
    }
    const before = tf.memory().numBytes
    const { peakBytes, result } = await tf.profile(run as never)
    tf.dispose([q, k, v, result as never])
    return peakBytes - before
  }
  const [short, long] = [await peakOf(128), await peakOf(512)]
  expect(long / short).toBeLessThan(4.5)
  expect(long).toBeLessThan(512 * 512 * 4) // fewer than the scores alone
})

it('leaves no tensor behind', () => {
  const [q, k, v] = [1, 2, 3].map(seed => waves([1, 20, 4], seed))
  const before = tf.memory().numTensors
  tf.dispose(tf.tidy(() => tiledAttention(q, k, v, { tile: 8, causal: true })))
  tf.dispose(tf.grads((...[a, b, c]: tf.Tensor[]) => tiledAttention(a as tf.Tensor3D, b as tf.Tensor3D, c as tf.Tensor3D))([q, k, v]))
  expect(tf.memory().numTensors).toBe(before)
})

it.each([
  [[1, 4, 2], [1, 4, 3], {}, 'SHAPE'],
  [[1, 4, 2], [2, 4, 2], {}, 'SHAPE'],
  [[1, 5, 2], [1, 4, 2], { causal: true }, 'SHAPE'],
  [[1, 4, 2], [1, 4, 2], { tile: 0 }, 'BAD_OPTION'],
  [[1, 4, 2], [1, 4, 2], { window: 1.5 }, 'BAD_OPTION'],
] as const)('refuses q %j, k %j, %j', (ofQ, ofK, how, code) => {
  const [q, k] = [waves([...ofQ], 1), waves([...ofK], 2)]
  expect(() => tiledAttention(q, k, k, how)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(/\n/) as string }) as Error,
  )
})
