import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import type { CachePlan } from '@tersor/core'
import { adaptive, ems, expectedAttention, h2o, int8, pyramid, snapKv, streamingLlm, tova } from '@tersor/kv-cache'
import { generate, generateAll, loadSession, openSession, picoLlama, saveSession, type LanguageModel, type Session } from '@tersor/models'
import type { TextGraph } from '@tersor/models/generate'
import { memorySink, memoryStore, type Parameter } from '@tersor/tensor'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decoderGraphOf } from './decoder-graph.fixture.js'

const GEMMA = { model_type: 'gemma2', sliding_window: 12, attn_logit_softcapping: 20, query_pre_attn_scalar: 16, head_dim: 16 }
const pico = (config = {}): LanguageModel => picoLlama({ hidden: 64, heads: 4, keyValueHeads: 2, context: 64, seed: 3, config })
const MODELS: Readonly<Record<string, LanguageModel>> = {
  llama: pico(),
  'mistral with windows': pico({ model_type: 'mistral', sliding_window: 9 }),
  'gemma 2 with windows and soft caps': pico(GEMMA),
}
const PLANS: Readonly<Record<string, () => CachePlan>> = {
  'snap-kv': () => [snapKv({ keep: 10, recent: 4 })],
  'h2o at each token': () => [h2o({ keep: 9, every: 1 })],
  'tova every two tokens': () => [tova({ keep: 9, every: 2 })],
  'expected attention': () => [expectedAttention({ keep: 12 })],
  'ragged heads and layers': () => [adaptive({ policy: pyramid({ policy: snapKv({ keep: 12, recent: 3 }), beta: 4 }) })],
  'compact streaming': () => [streamingLlm({ sinks: 2, window: 9, slack: 2, positions: 'compact' })],
}
const PROMPT = Array.from({ length: 21 }, (_, i) => (i * 7 + 3) % 250)
const REST = [[4], [9], [1, 2, 3], [7], [11]]

let folder = ''
beforeAll(async () => {
  await tf.setBackend('cpu')
  folder = await mkdtemp(join(tmpdir(), 'tersor-graph-session-'))
})
type Attention = 'plain' | 'fused'
const graphs = new Map<string, Promise<TextGraph>>()
afterAll(async () => {
  for (const graph of graphs.values()) await (await graph).close?.()
  await rm(folder, { recursive: true, force: true })
})

const kept = <T>(all: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> => {
  if (!all.has(key)) all.set(key, make())
  return all.get(key)!
}

/** The graph of a network, written once. */
const graphOf = (name: string, attention: Attention): Promise<TextGraph> =>
  kept(graphs, `${name} ${attention}`, () => decoderGraphOf(join(folder, String(graphs.size)), MODELS[name], { attention }))

const read = async (session: Session, texts = [PROMPT, ...REST]): Promise<Float32Array> => {
  const logits: number[] = []
  for (const ids of texts) logits.push(...(await session.append(ids)))
  return Float32Array.from(logits)
}
const logitsOf = async (model: LanguageModel | TextGraph, cache: CachePlan = [], how = {}): Promise<Float32Array> => {
  const session = await openSession(model, { cache, ...how })
  const logits = await read(session)
  session.dispose()
  return logits
}
/** What a network gives, which does not depend on the attention of its graph. */
const references = new Map<string, Promise<Float32Array>>()
const referenceOf = (name: string, plan?: string): Promise<Float32Array> =>
  kept(references, `${name} ${plan}`, () => logitsOf(MODELS[name], plan === undefined ? [] : PLANS[plan]()))

const savedOf = async (session: Session): Promise<Record<string, Parameter>> => {
  const kept: Record<string, Parameter> = {}
  await saveSession(session, { ...memorySink(), write: async (name, parameter) => void (kept[name] = parameter) })
  return kept
}
const apart = (a: Float32Array, b: Float32Array): number => Math.max(...a.map((value, i) => Math.abs(value - b[i])))

const IS_SLOW = process.env.TERSOR_SLOW === '1'
/** All pairs take a minute: by itself each attention has the network without windows and one with them, */
const networksOf = (attention: Attention): readonly string[] => {
  const [llama, mistral, gemma] = Object.keys(MODELS)
  return IS_SLOW ? [llama, mistral, gemma] : [llama, attention === 'plain' ? mistral : gemma]
}
/** and each plan is tried once, the one that parts heads with each of these. */
const isTried = (attention: Attention, name: string, plan: string): boolean =>
  IS_SLOW || plan === 'ragged heads and layers' || (attention === 'plain' && name === 'llama')
const pairsOf = (attention: Attention) =>
  networksOf(attention)
    .flatMap(name => Object.keys(PLANS).map(plan => [name, plan] as const))
    .filter(([name, plan]) => isTried(attention, name, plan))

describe.each(['plain', 'fused'] as const)('sessions of a graph with %s attention', attention => {
  let llama: TextGraph
  let before = 0
  beforeAll(async () => {
    for (const name of networksOf(attention)) await graphOf(name, attention)
    llama = await graphOf('llama', attention)
  })
  beforeEach(() => (before = tf.memory().numTensors))
  afterEach(() => expect(tf.memory().numTensors).toBe(before))

  it.each(networksOf(attention))(
    'give the logits of the network that it was written from, and the same bits where a plan lets nothing go: %s',
    async name => {
      const graph = await graphOf(name, attention)
      const plain = await logitsOf(graph)
      expect(apart(plain, await referenceOf(name))).toBeLessThan(2e-5)
      expect(await logitsOf(graph, [snapKv({ keep: 60, recent: 4 })])).toEqual(plain)
    },
  )

  it.each(pairsOf(attention))('evict as the network does: %s, %s', async (name, plan) => {
    const evicted = await logitsOf(await graphOf(name, attention), PLANS[plan]())
    expect(apart(evicted, await referenceOf(name, plan))).toBeLessThan(2e-5)
  })

  it('continue, fork and rewind', async () => {
    const session = await openSession(llama)
    const first = await read(session)
    expect(session.ids).toEqual([PROMPT, ...REST].flat())
    expect(session.rewind(PROMPT.length)).toBe(true)
    const fork = session.fork()
    expect(await read(fork, REST)).toEqual(first.slice(-fork.model.vocabularySize * REST.length))
    fork.dispose()
    expect(session.ids).toEqual(PROMPT)
    expect(await read(session, REST)).toEqual(first.slice(-session.model.vocabularySize * REST.length))
    session.dispose()
    await expect(session.append([1])).rejects.toMatchObject({ code: 'IN_USE' })
  })

  it('go on from what was saved to the same bits, with what policies remember', async () => {
    const cache = [adaptive({ policy: snapKv({ keep: 12, recent: 4, every: 4 }) }), h2o({ keep: 10, every: 2 })]
    const session = await openSession(llama, { cache, seed: 5 })
    await read(session, [PROMPT, [5], [17]])
    const kept = await savedOf(session)
    const loaded = await loadSession(llama, memoryStore(kept), { cache })
    expect(loaded.ids).toEqual(session.ids)
    expect(loaded.bytes).toEqual(session.bytes)
    expect(await read(loaded, REST)).toEqual(await read(session, REST))
    loaded.dispose()
    session.dispose()
    await expect(loadSession(await graphOf(networksOf(attention)[1], attention), memoryStore(kept), { cache })).rejects.toMatchObject({
      code: 'RESUME',
    })
    await expect(loadSession(llama, memoryStore(kept), { cache: [] })).rejects.toMatchObject({ code: 'RESUME' })
  })
})

describe('a cache in few bits', () => {
  const LONG = Array.from({ length: 40 }, (_, i) => (i * 11 + 5) % 250)
  let fused: TextGraph
  let [fullBytes, exact]: [number, Float32Array] = [0, new Float32Array()]
  beforeAll(async () => {
    fused = await graphOf('llama', 'fused')
    const full = await openSession(fused)
    await full.append(LONG)
    fullBytes = full.bytes.total
    exact = await read(full, REST)
    full.dispose()
  })

  it.each([
    [8, 0.05],
    [4, 0.7],
  ] as const)('of %d bits is as small as they are, near full ones, and goes on from a file to the same bits', async (bits, bound) => {
    const session = await openSession(fused, { cacheBits: bits })
    await session.append(LONG)
    const scales = 2 * 2 * 32 * 4 // of keys and values of two layers
    expect(session.bytes.total).toBe((fullBytes * bits) / 32 + scales)
    const kept = await savedOf(session)
    const coded = await read(session, REST)
    const scale = Math.max(...exact.map(Math.abs))
    expect(apart(coded, exact) / scale).toBeLessThan(bound)
    expect(apart(coded, exact)).toBeGreaterThan(1e-4)
    const loaded = await loadSession(fused, memoryStore(kept), { cacheBits: bits })
    expect(await read(loaded, REST)).toEqual(coded)
    await expect(loadSession(fused, memoryStore(kept))).rejects.toThrow(`was kept small by another plan: cacheBits=${bits}, not none`)
    ;[loaded, session].forEach(each => each.dispose())
  })

  it('is evicted like any other, and forks with its scales', async () => {
    const session = await openSession(fused, { cacheBits: 8, cache: [h2o({ keep: 20, every: 2 })] })
    await session.append(LONG)
    const fork = session.fork()
    expect(await read(fork, REST)).toEqual(await read(session, REST))
    expect(session.caches.layers[0]?.length).toBeLessThanOrEqual(21)
    ;[fork, session].forEach(each => each.dispose())
  })

  it('is not what an encoding or a merge makes of entries, which graphs refuse', async () => {
    const graph = await graphOf('llama', 'plain')
    for (const step of [int8(), ems({ keep: 8, recent: 4 })])
      await expect(openSession(graph, { cache: [step] })).rejects.toThrow(
        `${step.name} changes entries, and a graph attends to them by itself.\nKeep`,
      )
  })

  it('is refused where a graph has no operator for it, and of stages', async () => {
    const plain = await graphOf('llama', 'plain')
    await expect(openSession(plain, { cacheBits: 4 })).rejects.toThrow('layer 0 of the graph is no GroupQueryAttention')
    await expect(openSession(MODELS.llama, { cacheBits: 8 })).rejects.toThrow('cacheBits is 8, and stages keep keys and values in full.')
  })
})

it('a session of a graph stays usable behind an abort and tokens that are none', async () => {
  const llama = await graphOf('llama', 'plain')
  const session = await openSession(llama, { cache: [h2o({ keep: 9, every: 1 })] })
  await session.append(PROMPT)
  await expect(session.append([4], { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  await expect(session.append([1000])).rejects.toMatchObject({ code: 'BAD_DATA' })
  await expect(session.append(new Array<number>(60).fill(1))).rejects.toThrow('60 tokens behind 21 end beyond the context of 64.')
  expect(session.ids).toEqual(PROMPT)
  const far = await session.append([4])
  session.dispose()
  const other = await openSession(llama, { cache: [h2o({ keep: 9, every: 1 })] })
  await other.append(PROMPT)
  expect(far).toEqual(await other.append([4]))
  other.dispose()
})

it('several texts of a graph go on in turn, each as by itself', async () => {
  const graph = await graphOf('llama', 'plain')
  const prompts = [PROMPT, [4], PROMPT.slice(3, 9)]
  const options = { tokens: 6, cache: [snapKv({ keep: 10, recent: 4 })] }
  const before = tf.memory().numTensors
  const texts: number[][] = prompts.map(() => [])
  for await (const { prompt, id } of generateAll(graph, { ...options, prompts })) texts[prompt].push(id)
  for (const [i, prompt] of prompts.entries()) {
    const alone: number[] = []
    for await (const { id } of generate(graph, { ...options, prompt })) alone.push(id)
    expect(texts[i]).toEqual(alone)
  }
  expect(texts.map(({ length }) => length)).toEqual([6, 6, 6])
  expect(tf.memory().numTensors).toBe(before)
})
