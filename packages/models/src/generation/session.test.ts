import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import { loadModel, positionsOf, type CachePlan } from '@tersor/core'
import { adaptive, expectedAttention, h2o, pyramid, snapKv, streamingLlm } from '@tersor/kv-cache'
import { casesTried, maskedCache } from '@tersor/testing'
import { freshModel } from '../networks/fresh-model.js'
import type { LanguageModel } from '../networks/language-model.js'
import { picoLlama } from '../networks/pico-llama.js'
import { generate, type GenerateOptions } from './generate.js'
import { openSession, type Session } from './session.js'

const GPT2 = { model_type: 'gpt2', n_embd: 32, n_head: 4, n_layer: 2, vocab_size: 40, n_positions: 64 }
const GEMMA = { model_type: 'gemma2', sliding_window: 12, attn_logit_softcapping: 20, query_pre_attn_scalar: 8, head_dim: 8 }
const llama = (config = {}): LanguageModel => picoLlama({ vocabulary: 40, seed: 3, config })
const gpt2 = (): LanguageModel => freshModel(GPT2, { seed: 3, deviation: 0.2 }) as LanguageModel
const experts = { num_local_experts: 4, num_experts_per_tok: 2 }

const DECODERS: Readonly<Record<string, () => LanguageModel>> = {
  llama: () => llama(),
  'qwen3 with norms of heads': () => llama({ model_type: 'qwen3' }),
  'gpt2 with learned positions': gpt2,
  'mistral with windows': () => llama({ model_type: 'mistral', sliding_window: 9 }),
  'gemma 2 with windows and soft caps': () => llama(GEMMA),
  mixtral: () => llama({ model_type: 'mixtral', ...experts }),
}
const PLANS: Readonly<Record<string, () => CachePlan>> = {
  'snap-kv': () => [snapKv({ keep: 10, recent: 4 })],
  'h2o at each token': () => [h2o({ keep: 9, every: 1 })],
  'ragged heads and layers': () => [adaptive({ policy: pyramid({ policy: snapKv({ keep: 12, recent: 3 }), beta: 4 }) })],
  'ragged heads every three tokens': () => [adaptive({ policy: snapKv({ keep: 8, recent: 2, every: 3 }) })],
  'a window behind snap-kv': () => [snapKv({ keep: 14, recent: 4 }), streamingLlm({ sinks: 2, window: 9, slack: 2 })],
}

const isSlow = process.env.TERSOR_SLOW === '1'

/** Every plan on every decoder in the slow run; otherwise each decoder with one plan, all plans among them, and every third of those on the plain engine. */
const pairsTried = (engine: string): readonly (readonly [string, string])[] =>
  Object.keys(DECODERS).flatMap((name, i) =>
    Object.keys(PLANS).flatMap((plan, j) => (isSlow || (i % 5 === j && (engine === 'ort' || i % 3 === 0)) ? [[name, plan] as const] : [])),
  )

const PROMPT = Array.from({ length: 21 }, (_, i) => (i * 7 + 3) % 40)
const NEXT = [5, 17, 2, 39, 0, 11, 8]

let before = 0
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

const use = async (backend: string): Promise<void> => void expect(await tf.setBackend(backend)).toBe(true)

const largest = (a: Float32Array, b: Float32Array): number => a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)

/** The logits of a network that sees everything but what a session's caches let go, behind the same pieces of a text. */
const maskedSteps = async (model: LanguageModel) => {
  const loaded = await loadModel(model)
  const masked = model.stages.map(({ attention }) => attention && maskedCache(attention))
  let past = 0
  return {
    next: async (ids: readonly number[]): Promise<Float32Array> => {
      const logits = tf.tidy(() => {
        const input: tf.Tensor = tf.tensor2d([...ids], [1, ids.length], 'int32')
        const all = model.stages.reduce((x, stage, i) => stage.run(x, { weights: loaded.weights, past, ...(masked[i] ? { cache: masked[i] } : {}) }), input) // prettier-ignore
        return tf.slice(all, [0, ids.length - 1, 0], [1, 1, -1])
      })
      past += ids.length
      const values = await logits.data<'float32'>()
      logits.dispose()
      return Float32Array.from(values)
    },
    hide: ({ caches }: Session) => caches.layers.forEach((layer, i) => layer && masked[i]?.keepOnly(layer.held.flatMap(positionsOf))),
    dispose: () => {
      masked.forEach(each => each?.dispose())
      loaded.dispose()
    },
  }
}

describe.each(['cpu', 'ort'])('a session on %s', engine => {
  beforeAll(() => use(engine))

  it.each(casesTried(Object.keys(DECODERS), engine === 'cpu' ? 4 : 2))(
    'gives the same bits with a plan that lets nothing go: %s',
    async name => {
      const run = async (cache: CachePlan): Promise<number[]> => {
        const session = await openSession(DECODERS[name](), { cache, form: 'dense' })
        const logits = [...(await session.append(PROMPT))]
        for (const id of NEXT) logits.push(...(await session.append([id])))
        session.dispose()
        return logits
      }
      const ample = [snapKv({ keep: 64 }), adaptive({ policy: snapKv({ keep: 64, every: 4 }) })]
      expect(await run(ample)).toEqual(await run([]))
    },
  )

  it.each(pairsTried(engine))('gives what hiding the same entries gives: %s, %s', async (name, plan) => {
    const model = DECODERS[name]()
    const session = await openSession(model, { cache: PLANS[plan](), form: 'dense' })
    const reference = await maskedSteps(model)
    // pieces that end where the plan is asked, so that what is hidden can be read off between them
    const pieces = plan.includes('window') ? [PROMPT.slice(0, 13), PROMPT.slice(13, 15), PROMPT.slice(15, 17)] : [PROMPT]
    for (const piece of pieces) {
      const [got, wanted] = [await session.append(piece), await reference.next(piece)]
      expect(largest(got, wanted) / Math.max(...wanted.map(Math.abs))).toBeLessThan(engine === 'cpu' ? 1e-6 : 3e-6)
      reference.hide(session)
    }
    for (const id of NEXT) {
      const [got, wanted] = [await session.append([id]), await reference.next([id])]
      expect(largest(got, wanted) / Math.max(...wanted.map(Math.abs))).toBeLessThan(engine === 'cpu' ? 1e-6 : 3e-6)
      reference.hide(session)
    }
    session.dispose()
    reference.dispose()
  })

  it('decodes step by step as in one go, with a window that lets go at each token and entries kept in the recorded step', async () => {
    const run = async (reads: boolean): Promise<number[]> => {
      const session = await openSession(llama(), { cache: [streamingLlm({ sinks: 2, window: 9, slack: 1 })], form: 'dense' })
      await session.append(PROMPT)
      const logits: number[] = []
      for (const id of NEXT) {
        logits.push(...(await session.append([id])))
        if (reads) expect(session.caches.layers[1]?.length).toBe(11)
      }
      session.dispose()
      return logits
    }
    expect(await run(true)).toEqual(await run(false))
  })
})

describe('a session', () => {
  beforeAll(() => use('ort'))
  const opened = (cache: CachePlan = [], model = llama()) => openSession(model, { cache })

  it('is continued, forked and rewound to the same logits', async () => {
    const session = await opened()
    await session.append(PROMPT)
    const fork = session.fork()
    const wanted = [await session.append([5]), await session.append([9, 11, 13])]
    for (const [i, ids] of [[5], [9, 11, 13]].entries()) expect(largest(await fork.append(ids), wanted[i])).toBeLessThan(1e-5)
    expect(session.rewind(PROMPT.length)).toBe(true)
    expect(session.ids).toEqual(PROMPT)
    expect(largest(await session.append([5]), wanted[0])).toBeLessThan(1e-4)
    session.dispose()
    expect(largest(await fork.append([2]), wanted[0])).toBeGreaterThan(0)
    fork.dispose()
  })

  it('is not rewound behind an eviction', async () => {
    const session = await opened([snapKv({ keep: 10, recent: 4 })])
    await session.append(PROMPT)
    await session.append([5])
    expect(session.rewind(PROMPT.length - 1)).toBe(false)
    expect(session.ids).toEqual([...PROMPT, 5])
    expect(session.rewind(PROMPT.length)).toBe(true)
    session.dispose()
  })

  it('frees what it lets go, and says so in bytes', async () => {
    const [whole, small] = [await opened(), await opened([snapKv({ keep: 8, recent: 4 })])]
    for (const session of [whole, small]) await session.append(PROMPT)
    expect(whole.bytes.layers.map(({ exact }) => exact)).toEqual([2, 2].map(heads => 2 * 4 * heads * 21 * 8))
    expect(small.bytes.layers.map(({ exact }) => exact)).toEqual([2, 2].map(heads => 2 * 4 * heads * 8 * 8))
    for (const session of [whole, small]) session.dispose()
  })

  it('reads a text that outgrows the context where positions are made compact', async () => {
    const session = await opened([streamingLlm({ sinks: 4, window: 36, slack: 8, positions: 'compact' })])
    const long = Array.from({ length: 100 }, (_, i) => (i * 7) % 40)
    await session.append(long)
    expect(session.ids).toHaveLength(100)
    expect(session.caches.next).toBeLessThanOrEqual(48)
    expect((await session.append([3])).every(Number.isFinite)).toBe(true)
    session.dispose()
  })

  it.each<[string, () => Promise<unknown>, string]>([
    ['positions beyond the context', async () => withSession(await opened(), each => each.append(new Array(65).fill(1))), '65 tokens behind 0 end beyond the context of 64.\nRead fewer, or open'],
    ['ids of another vocabulary', async () => withSession(await opened(), each => each.append([40])), 'The text holds 40, but the model knows tokens 0 to 39.\nEncode it'],
    ['no tokens', async () => withSession(await opened(), each => each.append([])), 'There are no tokens to read.\nPass at least one.'],
    ['compact positions over learned ones', () => opened([streamingLlm({ window: 20, positions: 'compact' })], gpt2()), 'streaming-llm renumbers positions, and this model adds learned ones to its embedding.\nChoose true'],
    ['compact positions over a rotation that follows the text', () => opened([streamingLlm({ window: 20, positions: 'compact' })], llama({ rope_scaling: { type: 'dynamic', factor: 4 } })), "streaming-llm turns keys back, and this model's rotation follows"],
    ['a window beyond the context', () => opened([streamingLlm({ window: 60, positions: 'compact' })]), 'streaming-llm lets go when 80 entries are held, beyond the context of 64.\nChoose a smaller'],
    ['moments of queries over such a rotation', async () => withSession(await opened([expectedAttention({ keep: 8 })], llama({ rope_scaling: { type: 'dynamic', factor: 4 } })), each => each.append(PROMPT)), "expected-attention turns keys back, and this model's rotation"],
  ])('refuses %s', async (_what, run, words) => { await expect(run()).rejects.toThrow(words) }) // prettier-ignore

  it('says that it was disposed', async () => {
    const session = await opened()
    session.dispose()
    await expect(session.append([1])).rejects.toMatchObject({ code: 'IN_USE' })
  })

  it('stays usable where it is aborted', async () => {
    const session = await opened([streamingLlm({ sinks: 2, window: 6, slack: 2 })])
    const controller = new AbortController()
    controller.abort(new Error('stopped by the test'))
    await session.append(PROMPT.slice(0, 5))
    await expect(session.append(PROMPT, { signal: controller.signal })).rejects.toThrow('stopped by the test')
    expect(session.ids).toEqual(PROMPT.slice(0, 5))
    expect((await session.append([3])).every(Number.isFinite)).toBe(true)
    session.dispose()
  })
})

const withSession = async (session: Session, work: (session: Session) => Promise<unknown>): Promise<unknown> => {
  try {
    return await work(session)
  } finally {
    session.dispose()
  }
}

describe('generation with a plan', () => {
  beforeAll(() => use('ort'))
  const idsFrom = async (model: LanguageModel, options: GenerateOptions): Promise<number[]> => {
    const ids: number[] = []
    for await (const { id } of generate(model, options)) ids.push(id)
    return ids
  }

  it('goes beyond the context where positions are compact, and is the same again', async () => {
    const options = { prompt: PROMPT, tokens: 50, temperature: 0.5, cache: [streamingLlm({ window: 40, slack: 8, positions: 'compact' })] }
    const ids = await idsFrom(llama(), options)
    expect(ids).toHaveLength(50)
    expect(await idsFrom(llama(), options)).toEqual(ids)
  })

  it('continues a session, whose text then holds what was generated', async () => {
    const model = llama()
    const session = await openSession(model)
    const first = await idsFrom(model, { prompt: PROMPT, tokens: 5, session })
    expect(session.ids).toEqual([...PROMPT, ...first])
    const second = await idsFrom(model, { prompt: [3], tokens: 4, session })
    session.dispose()
    expect(await idsFrom(model, { prompt: [...PROMPT, ...first, 3], tokens: 4 })).toEqual(second)
  })
  it('refuses a prompt that the text before it leaves no room for', async () => {
    const model = llama() // a context of 64 tokens
    const session = await openSession(model)
    await session.append(PROMPT)
    const prompt = Array.from({ length: 43 }, (_, i) => i % 40)
    await expect(idsFrom(model, { prompt, tokens: 1, session })).rejects.toThrow(
      'The prompt has 43 tokens behind 21, which leaves no room in a context of 64.\nShorten it to 42 tokens or fewer.',
    )
    expect(session.ids).toHaveLength(21)
    session.dispose()
  })
})

it('reads a long text in pieces, with the logits of all of it at once', async () => {
  await tf.setBackend('ort')
  const model = picoLlama({ vocabulary: 40, seed: 3, context: 4096, hidden: 16, heads: 2, keyValueHeads: 1 })
  const ids = Array.from({ length: 2050 }, (_, i) => (i * 7 + (i >> 3)) % 40)
  const session = await openSession(model)
  const pieced = await session.append(ids)
  const loaded = await loadModel(model)
  const whole = tf.tidy(() => {
    const x = tf.tensor2d(ids, [1, ids.length], 'int32')
    const logits = model.stages.reduce<tf.Tensor>((y, stage) => stage.run(y, loaded), x)
    return tf.slice(tf.reshape(logits, [ids.length, -1]), [ids.length - 1, 0])
  })
  const expected = await whole.data()
  pieced.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 4))
  whole.dispose()
  loaded.dispose()
  session.dispose()
})
