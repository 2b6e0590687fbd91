import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import { adaptive, ems, int8, snapKv, streamingLlm } from '@tersor/kv-cache'
import { freshModel } from '../networks/fresh-model.js'
import type { LanguageModel } from '../networks/language-model.js'
import { picoLlama } from '../networks/pico-llama.js'
import { fromDynamicCache, toDynamicCache, type RuntimeTensor } from './dynamic-cache.js'
import { openSession } from './session.js'

/** As transformers.js has them; with the real ones: conformance/transformers-js.test.ts. */
class Tensor implements RuntimeTensor {
  constructor(
    readonly type: string,
    readonly data: any,
    readonly dims: number[],
  ) {}
}
class DynamicCache {
  constructor(entries: Record<string, Tensor>) {
    Object.assign(this, entries)
  }
}
const LIBRARY = { Tensor, DynamicCache }
const entry = (cache: DynamicCache, name: string): Tensor => (cache as unknown as Record<string, Tensor>)[name]

const model = picoLlama({ vocabulary: 40, seed: 3 })
const PROMPT = Array.from({ length: 21 }, (_, i) => (i * 7 + 3) % 40)
const REST = [[4], [1, 2, 3], [7]]

let before = 0
beforeAll(async () => void (await tf.setBackend('ort')))
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

const far = async (one: Awaited<ReturnType<typeof openSession>>, other: typeof one): Promise<number> => {
  let most = 0
  for (const ids of REST) {
    const [a, b] = [await one.append(ids), await other.append(ids)]
    most = a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i])), most)
  }
  return most
}

it.each(['float32', 'float16'] as const)('hands a whole session over and takes it back, in %s', async dtype => {
  const session = await openSession(model)
  await session.append(PROMPT)
  const { past_key_values, attention_mask, length } = await toDynamicCache(session, LIBRARY, { dtype })
  expect(length).toBe(21)
  expect(attention_mask(2)).toMatchObject({ type: 'int64', dims: [1, 23], data: new BigInt64Array(23).fill(1n) })
  expect(Object.keys(past_key_values)).toEqual(['past_key_values.0.key', 'past_key_values.0.value', 'past_key_values.1.key', 'past_key_values.1.value']) // prettier-ignore
  expect(entry(past_key_values, 'past_key_values.1.value')).toMatchObject({ type: dtype, dims: [1, 2, 21, 8] })
  const taken = await fromDynamicCache(model, past_key_values, session.ids)
  expect(taken.ids).toEqual(PROMPT)
  expect(await far(session, taken)).toBeLessThan(dtype === 'float32' ? 1e-5 : 0.05)
  ;[session, taken].forEach(each => each.dispose())
})

it('turns what is left of an evicted session to compact positions', async () => {
  const plan = [streamingLlm({ sinks: 2, window: 9, slack: 2, positions: 'compact' })]
  const compact = await openSession(model, { cache: plan })
  const exact = await openSession(model, { cache: [streamingLlm({ sinks: 2, window: 9, slack: 2 })] })
  for (const session of [compact, exact]) await session.append(PROMPT)
  const held = exact.caches.layers[1]?.length ?? 0
  const [own, turned] = [await toDynamicCache(compact, LIBRARY), await toDynamicCache(exact, LIBRARY)]
  expect(turned.length).toBe(held)
  // the first layer's keys hang on ids and positions alone: moved there, or seen there from the start
  const [a, b] = [own, turned].map(({ past_key_values }) => entry(past_key_values, 'past_key_values.0.key').data as Float32Array)
  expect(Math.max(...a.map((value, i) => Math.abs(value - b[i])))).toBeLessThan(1e-5)
  expect(exact.caches.layers[1]?.next).toBe(21) // it stays as it was
  const taken = await fromDynamicCache(model, own.past_key_values, compact.ids, { cache: plan })
  expect(await far(taken, compact)).toBeLessThan(1e-5)
  ;[compact, exact, taken].forEach(each => each.dispose())
})

it.each<[string, LanguageModel, Parameters<typeof openSession>[1], string]>([
  [
    'heads that hold different numbers',
    model,
    { cache: [adaptive({ policy: snapKv({ keep: 9, recent: 2 }) })] },
    'The session holds different numbers of entries in heads of a layer',
  ],
  [
    'a rotation that follows the text',
    picoLlama({ vocabulary: 40, config: { rope_scaling: { rope_type: 'dynamic', factor: 2 } } }),
    { cache: [snapKv({ keep: 9, recent: 2 })] },
    "The hand-over turns keys back, and this model's rotation follows",
  ],
  [
    'learned positions',
    freshModel({ model_type: 'gpt2', n_embd: 32, n_head: 4, n_layer: 2, vocab_size: 40, n_positions: 64 }, { seed: 3 }) as LanguageModel,
    { cache: [snapKv({ keep: 9, recent: 2 })] },
    'Entries were let go, and this model adds learned positions',
  ],
])('refuses to hand over %s', async (_what, of, options, words) => {
  const session = await openSession(of, options)
  await session.append(PROMPT)
  await expect(toDynamicCache(session, LIBRARY)).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining(words) }) // prettier-ignore
  session.dispose()
})

it('hands over what an encoding made, as floats', async () => {
  const session = await openSession(model, { cache: [int8({ recent: 5, block: 16 })] })
  await session.append(PROMPT)
  expect(session.caches.layers[1]?.pages.length).toBeGreaterThan(0)
  const { past_key_values, length } = await toDynamicCache(session, LIBRARY)
  expect(length).toBe(21)
  const taken = await fromDynamicCache(model, past_key_values, session.ids)
  expect(await far(session, taken)).toBeLessThan(1e-4)
  ;[session, taken].forEach(each => each.dispose())
})

it('refuses merged entries', async () => {
  const session = await openSession(model, { cache: [ems({ keep: 8, recent: 4, alike: 0.01 })] })
  await session.append(PROMPT)
  expect(session.caches.layers[1]?.held[0].counts).toBeDefined()
  await expect(toDynamicCache(session, LIBRARY)).rejects.toThrow(
    'Entries were merged, and transformers.js knows nothing of how many each was.\nHand over',
  )
  session.dispose()
})

it('refuses a session that has read nothing, and caches of other models and texts', async () => {
  const session = await openSession(model)
  await expect(toDynamicCache(session, LIBRARY)).rejects.toMatchObject({ code: 'BAD_DATA' })
  await session.append(PROMPT)
  const { past_key_values: cache } = await toDynamicCache(session, LIBRARY)
  session.dispose()
  const refused = (given: object, ids: readonly number[], words: string) =>
    expect(fromDynamicCache(model, given, ids)).rejects.toMatchObject({ code: 'SHAPE', message: expect.stringContaining(words) })
  await refused(cache, [1, 2], 'The cache holds 21 entries of 2 ids.')
  await refused({}, PROMPT, 'The cache lacks "past_key_values.0.key".')
  await refused({ ...cache, 'past_key_values.1.key': new Tensor('float32', new Float32Array(64), [1, 2, 8, 4]) }, PROMPT, '"past_key_values.1.key" is float32 [1, 2, 8, 4], and the model\'s are floats [1, 2, entries, 8].') // prettier-ignore
  await refused({ ...cache, 'past_key_values.1.key': new Tensor('float32', new Float32Array(320), [1, 2, 20, 8]) }, PROMPT, 'The layers of the cache hold 21 and 20 entries.') // prettier-ignore
})
