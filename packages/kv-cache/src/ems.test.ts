import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import {
  createRng,
  loadModel,
  openCaches,
  positionsOf,
  readCaches,
  storeCaches,
  type CachePlan,
  type Caches,
  type LoadedWeights,
} from '@tersor/core'
import { picoDecoder, useEngine } from '@tersor/testing'
import { ems } from './ems.js'
import { int4 } from './int4.js'

const model = picoDecoder()
let loaded: LoadedWeights
let before = 0
useEngine()
beforeAll(async () => void (loaded = await loadModel(model)))
afterAll(() => loaded.dispose())
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

const PROMPT = Array.from({ length: 40 }, (_, i) => (i * i + 3 * i) % 24)
const feed = async (caches: Caches, ids: readonly number[]): Promise<number[]> => {
  const input = tf.tensor2d([[...ids]], undefined, 'int32')
  const pause = ids.length > 1 ? 'prompt' : 'token'
  caches.watch(pause)
  const out = tf.tidy(() => caches.forward(input, loaded))
  const logits = [...(await out.data<'float32'>())]
  tf.dispose([input, out])
  await caches.settle(pause)
  return logits
}
const continued = async (caches: Caches): Promise<number[]> => {
  const logits: number[] = []
  for (let i = 0; i < 6; i++) logits.push(...(await feed(caches, [(5 * i + 3) % 24])))
  return logits
}
const begun = async (plan: CachePlan): Promise<Caches> => {
  const caches = openCaches(model, plan, { seed: 3 })
  await feed(caches, PROMPT)
  return caches
}

it('changes no bit where there is room', async () => {
  const [plain, roomy] = [await begun([]), await begun([ems({ keep: 64 })])]
  expect(await continued(roomy)).toEqual(await continued(plain))
  for (const each of [plain, roomy]) each.dispose()
})

it('keeps its budget, with counts that add up to no more than what there was', async () => {
  const caches = await begun([ems({ keep: 12, recent: 4, every: 3, alike: 0.2 })])
  for (const layer of caches.layers) {
    if (!layer) continue
    const [entries] = layer.held
    expect(entries.keys.shape).toEqual([2, 12, 8])
    for (const list of positionsOf(entries)) expect([...list]).toEqual([...list].sort((a, b) => a - b))
    const merged = entries.counts!.reduce((sum, count) => sum + count, 0)
    expect(merged).toBeGreaterThan(2 * 12)
    expect(merged).toBeLessThanOrEqual(2 * 40)
  }
  expect((await continued(caches)).every(Number.isFinite)).toBe(true)
  caches.dispose()
})

/** softmax(q · kᵀ + log counts) · v in plain loops; keys and values (entries, 2). */
const attended = (q: readonly number[], keys: ArrayLike<number>, values: ArrayLike<number>, counts: ArrayLike<number>): number[] => {
  const weights = Array.from({ length: keys.length / 2 }, (_, i) => counts[i] * Math.exp(q[0] * keys[2 * i] + q[1] * keys[2 * i + 1]))
  const sum = weights.reduce((a, b) => a + b)
  return [0, 1].map(c => weights.reduce((total, weight, i) => total + (weight / sum) * values[2 * i + c], 0))
}

const rewritten = async (
  keys: readonly number[],
  values: readonly number[],
  sums: readonly number[],
  options: Parameters<typeof ems>[0],
) => {
  const entries = keys.length / 2
  const [k, v] = [keys, values].map(each => tf.tensor3d([...each], [1, entries, 2]))
  const lastShares = tf.tensor4d([...sums], [1, 1, 1, entries])
  const part = { keys: k, values: v, positions: [Int32Array.from({ length: entries }, (_, i) => i)], lastShares, shares: { sums: Float32Array.from(sums), counts: new Float32Array(entries).fill(1) } } // prettier-ignore
  const attention = { heads: 1, keyHeads: 1, size: 2, scale: 1, positions: 'none' } as const
  const view = { parts: [part], batch: 1, seen: entries, next: entries, layer: { index: 0, of: 1, attention }, rng: createRng(1) }
  const made = await ems(options).rewrite(part as never, view as never)
  tf.dispose([k, v, lastShares])
  if (made === 'all') throw new Error('It changed nothing.')
  const result = { kept: made.kept.map(list => [...list]), keys: [...made.keys.dataSync()], values: [...made.values.dataSync()], counts: [...made.counts] } // prettier-ignore
  tf.dispose([made.keys, made.values])
  return result
}

it('is exact where entries are there twice, by their counts', async () => {
  const [keys, values] = [
    [1, 0, 0.2, 0.9, -0.5, 0.5],
    [1, 2, -3, 4, 5, -6],
  ]
  const twice = { keys: [...keys, ...keys], values: [...values, ...values] }
  const made = await rewritten(twice.keys, twice.values, [3, 2, 1, 3, 2, 1], { keep: 3, recent: 3 })
  expect(made.kept).toEqual([[3, 4, 5]])
  expect(made.counts).toEqual([2, 2, 2])
  const q = [0.7, -0.3]
  const wanted = attended(q, twice.keys, twice.values, new Array(6).fill(1))
  expect(attended(q, made.keys, made.values, made.counts)).toEqual(wanted.map(value => expect.closeTo(value, 5)))
  // two equal keys count 2 beside a third of the same score: shares 2/3 and 1/3
  expect(attended([0, 0], [1, 0, 0, 1], [3, 0, 0, 3], [2, 1])).toEqual([expect.closeTo(2, 6), expect.closeTo(1, 6)])
})

it('merges by scores, keeps the length of a key, and lets go what is like none or opposed to all', async () => {
  const made = await rewritten([2, 0, 3, 0, 0, 1, -1, 0], [1, 0, 3, 0, 0, 1, -1, 0], [3, 1, 0.5, 0.25], {
    keep: 0.25,
    recent: 0,
    alike: 0.6,
  })
  expect(made.kept).toEqual([[0]])
  expect(made.counts).toEqual([2]) // two cosines of −1 are no likeness
  expect(made.keys).toEqual([expect.closeTo(2, 5), expect.closeTo(0, 5)])
  expect(made.values).toEqual([expect.closeTo((3 * 1 + 1 * 3) / 4, 5), expect.closeTo(0, 5)])
})

it('goes on alike where it was forked or saved, and below an encoding', async () => {
  const plan = [ems({ keep: 16, recent: 4, every: 4, alike: 0.2 }), int4({ recent: 4, block: 4 })]
  const caches = await begun(plan)
  const fork = caches.fork()
  const { facts, parameters } = await storeCaches(caches)
  const read = await readCaches(model, plan, facts, { read: async name => parameters[name], has: name => name in parameters })
  expect(read.bytes).toEqual(caches.bytes)
  const wanted = await continued(caches)
  expect(await continued(fork)).toEqual(wanted)
  expect(await continued(read)).toEqual(wanted)
  expect(caches.layers.some(layer => layer?.pages.some(({ counts }) => counts))).toBe(true)
  for (const each of [caches, fork, read]) each.dispose()
})

it('refuses a budget below what always stays', () =>
  expect(() => ems({ keep: 16 })).toThrow('ems: a budget of 16 entries is below the 0 sinks and 32 recent ones that always stay.\nKeep 32'))
