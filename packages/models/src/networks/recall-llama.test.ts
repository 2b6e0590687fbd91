import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { createRng, type CachePlan } from '@tersor/core'
import { snapKv, streamingLlm } from '@tersor/kv-cache'
import { openSession } from '../generation/session.js'
import { recallLlama, recallPrompt } from './recall-llama.js'

beforeAll(async () => void expect(await tf.setBackend('ort')).toBe(true))

const likeliest = (logits: Float32Array): number => logits.reduce((best, value, i) => (value > logits[best] ? i : best), 0)

/** Share of right answers. A question inside is read with the prompt, and its answer with what the plan left; one after is not there yet when the plan is asked. */
const recall = async (
  cache: CachePlan,
  asks: 'inside' | 'after',
  { prompts = 10, facts = 16, dial = 1, length = 256 } = {},
): Promise<number> => {
  const model = recallLlama({ dial })
  const first = await openSession(model, { cache, count: 1 }) // a question is one token, for which no step is worth recording
  let right = 0
  for (let i = 0; i < prompts; i++) {
    const { ids, answer } = recallPrompt(createRng(5).fork(`${i}`), { facts, length })
    const session = first.fork()
    await session.append(asks === 'inside' ? ids : ids.slice(0, -1))
    session.caches.layers.forEach(layer => layer?.rewind(ids.length - 1))
    if (likeliest(await session.append(ids.slice(-1))) === answer) right++
    session.dispose()
  }
  first.dispose()
  return right / prompts
}

it.each([1, 10])('answers every question with a full cache, dial %d', async dial => {
  expect(await recall([], 'after', { dial, prompts: 6 })).toBe(1)
  expect(await recall([], 'inside', { dial, prompts: 3 })).toBe(1)
})

it('remembers of a window the share of the text that is kept', async () => {
  const share = await recall([streamingLlm({ sinks: 4, window: 44, slack: 24 })], 'after', { prompts: 12 })
  expect(share).toBeGreaterThan(0.1)
  expect(share).toBeLessThan(0.4)
})

it('remembers with SnapKV at an eighth what was asked with the prompt, and not what is asked later', async () => {
  expect(await recall([snapKv({ keep: 32, recent: 16 })], 'inside', { facts: 24 })).toBeGreaterThanOrEqual(0.95)
  expect(await recall([snapKv({ keep: 32, recent: 16 })], 'after', { facts: 24 })).toBeLessThan(0.3)
})

it('knows tokens apart: filler, keys and values', () => {
  const { ids, answer } = recallPrompt(createRng(1), { length: 40, facts: 5 })
  expect(ids).toHaveLength(40)
  expect(ids[0]).toBe(0)
  const question = ids[39]
  const places = ids.flatMap((id, i) => (id >= 8 && id < 36 && i < 39 ? [i] : []))
  expect(places).toHaveLength(5)
  for (const place of places) expect([place % 2, ids[place + 1] >= 36]).toEqual([1, true])
  expect(ids[ids.indexOf(question) + 1]).toBe(answer)
})

it('refuses what it cannot ask', () => {
  expect(() => recallPrompt(createRng(1), { facts: 29 })).toThrow('recallPrompt got 29 facts in 512 tokens.\nPass 1 to 28 facts')
  expect(() => recallLlama({ dial: 0 })).toThrow('recallLlama got dial = 0.\nPass a number above 0')
})
