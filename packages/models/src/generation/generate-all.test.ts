import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import type { CachePlan } from '@tersor/core'
import { adaptive, h2o, snapKv, streamingLlm, int8 } from '@tersor/kv-cache'
import { freshModel } from '../networks/fresh-model.js'
import type { LanguageModel } from '../networks/language-model.js'
import { picoLlama } from '../networks/pico-llama.js'
import { generateAll, type GenerateAllOptions } from './generate-all.js'
import { generate } from './generate.js'

const llama = (config = {}): LanguageModel => picoLlama({ vocabulary: 40, seed: 3, config })
const idsOf = (count: number, from: number): number[] => Array.from({ length: count }, (_, i) => (7 * i + from) % 40)
const PROMPTS = [idsOf(3, 1), idsOf(17, 5), idsOf(1, 9), idsOf(17, 2)]
const TOKENS = 6

let before = 0
beforeAll(async () => void (await tf.setBackend('cpu')))
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

const together = async (model: LanguageModel, options: Partial<GenerateAllOptions> = {}): Promise<number[][]> => {
  const texts: number[][] = PROMPTS.map(() => [])
  for await (const { prompt, id } of generateAll(model, { prompts: PROMPTS, tokens: TOKENS, ...options })) texts[prompt].push(id)
  return texts
}
const alone = async (model: LanguageModel, cache: CachePlan = [], tokens = TOKENS, prompts = PROMPTS): Promise<number[][]> => {
  const texts: number[][] = []
  for (const prompt of prompts) {
    const ids: number[] = []
    for await (const { id } of generate(model, { prompt, tokens, cache })) ids.push(id)
    texts.push(ids)
  }
  return texts
}

const MODELS: Readonly<Record<string, () => LanguageModel>> = {
  llama,
  'mistral with windows': () => llama({ model_type: 'mistral', sliding_window: 9 }),
  'gemma 2 with windows and soft caps': () => llama({ model_type: 'gemma2', sliding_window: 12, attn_logit_softcapping: 20, query_pre_attn_scalar: 8, head_dim: 8 }), // prettier-ignore
}
it.each(Object.keys(MODELS))('gives the text of each prompt by itself: %s', async name => {
  const model = MODELS[name]()
  expect(await together(model)).toEqual(await alone(model))
})

it.each<[string, CachePlan]>([
  ['snap-kv', [snapKv({ keep: 8, recent: 3 })]],
  ['ragged heads', [adaptive({ policy: snapKv({ keep: 8, recent: 3 }) })]],
  ['h2o at each token', [h2o({ keep: 9, every: 1 })]],
  ['a window', [streamingLlm({ sinks: 2, window: 9, slack: 1 })]],
])('does so under a plan: %s', async (_what, cache) => {
  const model = llama()
  expect(await together(model, { cache })).toEqual(await alone(model, cache))
})

it('frees texts that end, by a token or with the context, while others go on', async () => {
  const model = picoLlama({ vocabulary: 40, seed: 3, context: 24 })
  const [[, , end]] = await alone(model, [], 3, PROMPTS.slice(0, 1))
  const ending: LanguageModel = { ...model, config: { ...model.config, eos: [end] } }
  const texts = await together(ending, { tokens: 24 })
  expect(texts).toEqual(await alone(ending, [], 24))
  expect(new Set(texts.map(({ length }) => length)).size).toBeGreaterThan(1)
})

it('draws the same with the same seed, whatever stands beside', async () => {
  const model = llama()
  const draw = async (prompts: readonly (readonly number[])[]) => {
    const texts: number[][] = prompts.map(() => [])
    for await (const { prompt, id } of generateAll(model, { prompts, tokens: 6, temperature: 0.8, seed: 4 })) texts[prompt].push(id)
    return texts
  }
  const all = await draw(PROMPTS)
  expect(await draw(PROMPTS)).toEqual(all)
  expect((await draw(PROMPTS.slice(0, 2))).slice(0, 2)).toEqual(all.slice(0, 2))
})

it('leaves nothing behind where it is left or aborted', async () => {
  for await (const _ of generateAll(llama(), { prompts: PROMPTS, tokens: 5 })) break
  const abort = new AbortController()
  const run = async (): Promise<void> => {
    for await (const _ of generateAll(llama(), { prompts: PROMPTS, tokens: 5, signal: abort.signal })) abort.abort(new Error('enough'))
  }
  await expect(run()).rejects.toThrow('enough')
})

it.each<[string, () => LanguageModel, CachePlan]>([
  ['learned positions', () => freshModel({ model_type: 'gpt2', n_embd: 32, n_head: 4, n_layer: 2, vocab_size: 40, n_positions: 64 }, { seed: 3 }) as LanguageModel, []], // prettier-ignore
  ['rotations that follow the text', () => llama({ rope_scaling: { rope_type: 'dynamic', factor: 2 } }), []],
  ['encoded entries', llama, [int8({ recent: 8 })]],
  ['a policy that waits for queries', llama, [snapKv({ keep: 8, recent: 3, every: 20 })]],
])('lets texts take steps in turn that have no positions in common: %s', async (_what, make, cache) => {
  const model = make()
  const prompts = PROMPTS.slice(0, 2)
  expect((await together(model, { cache, prompts })).slice(0, 2)).toEqual(await alone(model, cache, TOKENS, prompts))
})

it('refuses no prompts, and tokens that the model has not', async () => {
  await expect(together(llama(), { prompts: [] })).rejects.toThrow('There are no prompts.\nPass one at least.')
  await expect(together(llama(), { prompts: [[1], [99]] })).rejects.toMatchObject({ code: 'BAD_DATA' })
})
