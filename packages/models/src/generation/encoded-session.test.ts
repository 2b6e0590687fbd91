import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { CORE_CODECS, createRng, type CachePlan } from '@tersor/core'
import { openSafetensors, safetensorsSink } from '@tersor/formats/safetensors'
import { ems, gear, int4, int8, kivi, snapKv, streamingLlm, zipCache } from '@tersor/kv-cache'
import { fromIntegers, memorySink, memoryStore, type Parameter } from '@tersor/tensor'
import { casesTried } from '@tersor/testing'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LanguageModel } from '../networks/language-model.js'
import { picoLlama } from '../networks/pico-llama.js'
import { recallLlama, recallPrompt } from '../networks/recall-llama.js'
import { freshModel } from '../networks/fresh-model.js'
import { generate } from './generate.js'
import { loadSession, saveSession } from './saved-session.js'
import { openSession, type Session } from './session.js'

const exact = { recent: 4, block: 4 }
const PLANS: Readonly<Record<string, CachePlan>> = {
  int4: [int4({ ...exact, along: 'channel' })],
  gear: [gear({ ...exact, group: 4, outliers: 0.25, rank: 1, decoded: 1 })],
  'zip-cache': [zipCache({ ...exact, block: 5 })],
  'ems, then int8': [ems({ keep: 12, recent: 4, every: 3, alike: 0.2 }), int8(exact)],
  'snap-kv, a window, then int4': [snapKv({ keep: 16, recent: 4 }), streamingLlm({ sinks: 2, window: 12, slack: 3 }), int4(exact)],
  'compact streaming, then int8': [streamingLlm({ sinks: 2, window: 10, slack: 3, positions: 'compact' }), int8(exact)],
}
const PROMPT = Array.from({ length: 21 }, (_, i) => (i * 7 + 3) % 40)
const NEXT = [5, 17, 2]
const model = picoLlama({ vocabulary: 40, seed: 3 })

let folder = ''
let before = 0
beforeAll(async () => {
  expect(await tf.setBackend('ort')).toBe(true)
  folder = await mkdtemp(join(tmpdir(), 'tersor-encoded-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

const begun = async (cache: CachePlan, of: LanguageModel = model): Promise<Session> => {
  const session = await openSession(of, { cache, form: 'dense', seed: 5 })
  for (const ids of [PROMPT, [5], [17]]) await session.append(ids)
  return session
}
const continued = async (session: Session): Promise<number[]> => {
  const logits: number[] = []
  for (const ids of [...NEXT.map(id => [id]), [1, 2, 3], [7]]) logits.push(...(await session.append(ids)))
  return logits
}
const largest = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)

it.each(casesTried(Object.keys(PLANS), 2))('holds entries in few bits and goes on from a file to the same bits: %s', async name => {
  const cache = PLANS[name]
  const session = await begun(cache)
  expect(session.bytes.layers.every(({ codes, scales }) => codes + scales > 0)).toBe(true)
  const path = join(folder, `${name}.safetensors`)
  await saveSession(session, safetensorsSink(path))
  const store = await openSafetensors(path, { codecs: CORE_CODECS })
  const loaded = await loadSession(model, store, { cache, form: 'dense' }).finally(() => store.close?.())
  expect(loaded.bytes).toEqual(session.bytes)
  const fork = session.fork()
  const wanted = await continued(session)
  expect(wanted.every(Number.isFinite)).toBe(true)
  expect(await continued(loaded)).toEqual(wanted)
  expect(await continued(fork)).toEqual(wanted)
  for (const each of [session, loaded, fork]) each.dispose()
})

const DECODERS: Readonly<Record<string, () => LanguageModel>> = {
  'windows and soft caps': () =>
    picoLlama({ vocabulary: 40, seed: 3, config: { model_type: 'gemma2', sliding_window: 12, attn_logit_softcapping: 20, query_pre_attn_scalar: 8, head_dim: 8 } }), // prettier-ignore
  'windows': () => picoLlama({ vocabulary: 40, seed: 3, config: { model_type: 'mistral', sliding_window: 9 } }), // prettier-ignore
  'learned positions': () =>
    freshModel({ model_type: 'gpt2', n_embd: 32, n_head: 4, n_layer: 2, vocab_size: 40, n_positions: 64 }, { seed: 3, deviation: 0.2 }) as LanguageModel, // prettier-ignore
}

it.each(casesTried(Object.keys(DECODERS), 2))('is as good as exact in 8 bits with %s', async name => {
  const [plain, small] = [await begun([], DECODERS[name]()), await begun([int8(exact)], DECODERS[name]())]
  const wanted = await continued(plain)
  expect(largest(await continued(small), wanted) / Math.max(...wanted.map(Math.abs))).toBeLessThan(0.02)
  for (const each of [plain, small]) each.dispose()
})

it('is not rewound behind what was encoded, and can be before', async () => {
  const session = await begun([int8(exact)])
  await session.append([4])
  const length = session.ids.length
  const encodedAt = session.caches.state.changedAt
  expect(session.rewind(encodedAt - 1)).toBe(false)
  expect(session.rewind(length - 1)).toBe(length - 1 >= encodedAt)
  session.dispose()
})

it('generates alike with the same seed', async () => {
  const ids = async (): Promise<number[]> => {
    const made: number[] = []
    for await (const { id } of generate(model, { prompt: PROMPT, tokens: 8, cache: [kivi({ ...exact, bits: 2, group: 4 })] })) made.push(id)
    return made
  }
  expect(await ids()).toEqual(await ids())
})

const likeliest = (logits: Float32Array): number => logits.reduce((best, value, i) => (value > logits[best] ? i : best), 0)

it.each([
  ['int8', [int8()], 1],
  ['int4', [int4()], 1],
  ['kivi in 2 bits', [kivi()], 0.8],
] as const)('remembers in few bits what is asked later: %s', async (_name, cache, least) => {
  const of = recallLlama()
  const first = await openSession(of, { cache: [...cache], count: 1 }) // a question is one token, for which no step is worth recording
  let right = 0
  for (let i = 0; i < 6; i++) {
    const { ids, answer } = recallPrompt(createRng(5).fork(`${i}`), { length: 160, facts: 16 })
    const session = first.fork()
    await session.append(ids.slice(0, -1))
    if (likeliest(await session.append(ids.slice(-1))) === answer) right++
    session.dispose()
  }
  first.dispose()
  expect(right / 6).toBeGreaterThanOrEqual(least)
})

describe('a damaged file of a session in few bits', () => {
  const whole: Record<string, Parameter> = {}
  beforeAll(async () => {
    const session = await begun([int8(exact)])
    await saveSession(session, { ...memorySink(), write: async (name, parameter) => void (whole[name] = parameter) })
    session.dispose()
  })
  it.each<[string, (parameters: Record<string, Parameter>) => Record<string, Parameter>, string]>([
    [
      'a page of other rows',
      all => ({ ...all, 'layers.0.pages.0.keys': { ...all['layers.0.pages.0.keys'], shape: [1, 16, 8] } }),
      '"layers.0.pages.0.keys" of the saved cache is [1,16,8], expected [2, entries, 8].',
    ],
    [
      'positions that are held twice',
      all => ({ ...all, 'layers.0.pages.0.positions': fromIntegers([...Array(15).keys(), 16], 'i32', [16]) }),
      '"layers.0" of the saved cache holds a position of row 0 twice.',
    ],
    ['no values of a page', ({ 'layers.0.pages.0.values': _gone, ...rest }) => rest, 'lacks "layers.0.pages.0.values"'],
  ])('is refused: %s', async (_what, damage, words) => {
    // prettier-ignore
    const store = memoryStore(damage(whole))
    await expect(loadSession(model, store, { cache: [int8(exact)], form: 'dense' })).rejects.toThrow(words)
  })
})

it('refuses an encoding before a policy, and two of them', async () => {
  await expect(openSession(model, { cache: [int8(), snapKv({ keep: 40 })] })).rejects.toThrow(
    'int8 is an encoding, and snap-kv stands behind it in the plan.\nPut policies and rewrites first and one encoding at the end.',
  )
  await expect(openSession(model, { cache: [int8(), int4()] })).rejects.toMatchObject({ code: 'COMPOSITION' })
})
