import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { statistics } from '@tersor/backend-ort'
import { loadModel, openCaches, piecesOf, type CachePlan, type LoadedWeights } from '@tersor/core'
import { ems, int8, zipCache } from '@tersor/kv-cache'
import { picoLlama } from '../networks/pico-llama.js'
import { cutDecoder } from './cut-decoder.js'
import { decoder } from './decoder.js'

const model = picoLlama({ vocabulary: 40, seed: 3 })
const PROMPT = Array.from({ length: 21 }, (_, i) => (i * 7 + 3) % 40)
const NEXT = [5, 17, 2, 39, 0, 11]
const exact = { recent: 4, block: 4 }
const PLANS: Readonly<Record<string, CachePlan>> = {
  'nothing of its own': [],
  int8: [int8(exact)],
  'zip-cache, which asks for queries': [zipCache({ ...exact, block: 5 })],
  'merged entries': [ems({ keep: 12, recent: 4, every: 3, alike: 0.2 })],
}

let env: LoadedWeights
let before = 0
beforeAll(async () => {
  expect(await tf.setBackend('ort')).toBe(true)
  env = await loadModel(model)
})
afterAll(() => env.dispose())
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

const idsOf = (ids: readonly number[]): tf.Tensor => tf.tensor2d([...ids], [1, ids.length], 'int32')
const begun = async (plan: CachePlan) => {
  const caches = openCaches(model, plan, { seed: 3 })
  for (const { from, to, pause } of piecesOf(caches, PROMPT.length)) {
    tf.tidy(() => void caches.forward(idsOf(PROMPT.slice(from, to)), env))
    await caches.settle(pause)
  }
  return caches
}

it.each(Object.entries(PLANS))('gives the logits of plain steps, recorded but for attention: %s', async (what, plan) => {
  const [cut, plain] = [await begun(plan), await begun(plan)]
  const steps = (await cutDecoder(model, env, cut))!
  for (const id of NEXT) {
    const wanted = tf.tidy(() => tf.reshape(plain.forward(idsOf([id]), env), [-1]))
    const { compiled } = statistics()
    const got = await steps.step(id)
    if (what === 'int8' && id !== NEXT[0]) expect(statistics().compiled).toBe(compiled) // pieces are recorded with the first, and codes are multiplied outside of the engine
    const expected = await wanted.data()
    wanted.dispose()
    expect(got).toHaveLength(expected.length)
    expect(Math.max(...got.map((value, i) => Math.abs(value - expected[i])))).toBeLessThan(5e-5)
    for (const caches of [cut, plain]) await caches.settle('token')
  }
  expect(cut.bytes.total).toBe(plain.bytes.total)
  steps.dispose()
  for (const caches of [cut, plain]) caches.dispose()
})

it('is how plans with an encoding decode, and nothing on an engine that does not replay', async () => {
  const caches = await begun([int8(exact)])
  const steps = await decoder(model, env, caches, 8)
  await steps!.step(1)
  expect(caches.layers[1]?.length).toBe(PROMPT.length + 1) // the caches keep what they hold
  steps!.dispose()
  caches.dispose()
  await tf.setBackend('cpu')
  const loaded = await loadModel(model)
  const other = openCaches(model, [int8(exact)])
  expect(await cutDecoder(model, loaded, other)).toBeUndefined()
  other.dispose()
  loaded.dispose()
  await tf.setBackend('ort')
})
