import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { definePolicy, loadModel, type CachePlan } from '@tersor/core'
import { picoDecoder } from '@tersor/testing'
import { perplexity } from './perplexity.js'
import type { Window } from './windows.js'

const model = picoDecoder()
const windows: Window[] = Array.from({ length: 5 }, (_, row) =>
  Array.from({ length: row < 4 ? 20 : 13 }, (_, i) => (i * i * (row + 1) + 3 * row) % 24),
)

/** Keeps the last entries. */
const newest = definePolicy({
  name: 'newest',
  summary: 'keeps the last six entries',
  options: {},
  make: () => ({
    kind: 'policy',
    needs: {},
    when: { at: 'prompt' },
    keep: ({ parts }) => parts.flatMap(({ positions }) => positions.map(({ length }) => Int32Array.from({ length: Math.min(6, length) }, (_, i) => Math.max(0, length - 6) + i))), // prettier-ignore
  }),
})

let before = 0
beforeAll(() => tf.setBackend('cpu'))
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

/** exp of the mean surprise over the tokens behind a prompt, of one forward pass a window. */
const plain = async (prompt: number): Promise<{ perplexity: number; tokens: number }> => {
  const { weights, dispose } = await loadModel(model)
  let [loss, tokens] = [0, 0]
  for (const window of windows) {
    const logits = tf.tidy(() =>
      model.stages.reduce<tf.Tensor>((x, stage) => stage.run(x, { weights }), tf.tensor2d([...window], [1, window.length], 'int32')),
    )
    const rows = ((await logits.array()) as number[][][])[0]
    logits.dispose()
    for (let at = prompt; at + 1 < window.length; at++) {
      const total = Math.log(rows[at].reduce((sum, logit) => sum + Math.exp(logit), 0))
      loss -= rows[at][window[at + 1]] - total
      tokens++
    }
  }
  dispose()
  return { perplexity: Math.exp(loss / tokens), tokens }
}

it('is that of one pass where the plan lets nothing go, and says what the cache takes', async () => {
  const wanted = await plain(8)
  const got = await perplexity(model, windows, { cache: [], prompt: 8, step: 5 })
  expect(got.tokens).toBe(wanted.tokens)
  expect(got.perplexity / wanted.perplexity).toBeCloseTo(1, 5)
  const entry = 2 * 2 * 2 * 8 * 4 // layers · (keys and values) · key heads · size · bytes
  expect(got.cacheBytes).toBe((entry * (4 * 19 + 12)) / 5)
})

it('asks the plan behind the prompt and behind each step, for many windows as for each', async () => {
  const cache: CachePlan = [newest()]
  const got = await perplexity(model, windows, { cache, prompt: 8, step: 5 })
  expect(got.perplexity).not.toBeCloseTo((await plain(8)).perplexity, 2)
  let [loss, tokens] = [0, 0]
  for (const window of windows) {
    const one = await perplexity(model, [window], { cache, prompt: 8, step: 5 })
    loss += Math.log(one.perplexity) * one.tokens
    tokens += one.tokens
  }
  expect(Math.exp(loss / tokens) / got.perplexity).toBeCloseTo(1, 5)
})

it('reads half of a window as the prompt where nothing else is said', async () => {
  expect(await perplexity(model, windows, { cache: [] })).toEqual(await perplexity(model, windows, { cache: [], prompt: 10, step: 16 }))
})

it.each([
  [{ prompt: 0 }, 'perplexity got prompt = 0.\nPass a whole number of at least 1.'],
  [{ step: 1.5 }, 'perplexity got step = 1.5.\nPass a whole number of at least 1.'],
  [{ prompt: 19 }, 'No window is longer than the prompt of 19 tokens.\nPass a longer text, or a shorter prompt.'],
])('refuses %j', async (options, words) => {
  await expect(perplexity(model, windows, { cache: [], ...options })).rejects.toThrow(words)
})

it('ends where it is aborted', async () => {
  const controller = new AbortController()
  const onProgress = () => controller.abort(new Error('stopped by the test'))
  await expect(perplexity(model, windows, { cache: [], signal: controller.signal, onProgress })).rejects.toThrow('stopped by the test')
})
