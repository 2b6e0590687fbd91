import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import '@tersor/backend-ort'
import type { CachePlan } from '@tersor/core'
import { openSafetensors, safetensorsSink } from '@tersor/formats/safetensors'
import { adaptive, cacheGen, h2o, random, snapKv, streamingLlm } from '@tersor/kv-cache'
import { casesTried } from '@tersor/testing'
import { dense, fromFloat32, fromIntegers, memorySink, memoryStore, type Parameter, type ParameterStore } from '@tersor/tensor'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LanguageModel } from '../networks/language-model.js'
import { picoLlama } from '../networks/pico-llama.js'
import { loadSession, saveSession } from './saved-session.js'
import { openSession, type Session } from './session.js'

const model = picoLlama({ vocabulary: 40, seed: 3 })
const PROMPT = Array.from({ length: 21 }, (_, i) => (i * 7 + 3) % 40)
const PLANS: Readonly<Record<string, CachePlan>> = {
  none: [],
  'h2o every three tokens': [h2o({ keep: 9, every: 3 })],
  'ragged snap-kv, then random': [adaptive({ policy: snapKv({ keep: 12, recent: 4, every: 4 }) }), random({ keep: 10, every: 2 })],
  'compact streaming': [streamingLlm({ sinks: 2, window: 10, slack: 3, positions: 'compact' })],
}

let folder = ''
let before = 0
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'tersor-session-'))))
afterAll(() => rm(folder, { recursive: true, force: true }))
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

const continued = async (session: Session): Promise<number[]> => {
  const logits: number[] = []
  for (const ids of [[4], [9], [1, 2, 3], [7], [11]]) logits.push(...(await session.append(ids)))
  return logits
}

const begun = async (cache: CachePlan = []): Promise<Session> => {
  const session = await openSession(model, { cache, form: 'dense', seed: 5 })
  for (const ids of [PROMPT, [5], [17]]) await session.append(ids)
  return session
}

describe.each(['cpu', 'ort'])('a saved session on %s', engine => {
  beforeAll(async () => void expect(await tf.setBackend(engine)).toBe(true))

  it.each(casesTried(Object.keys(PLANS), engine === 'cpu' ? 2 : 1))('goes on to the same bits from a file: plan %s', async name => {
    const path = join(folder, `${engine}-${name}.safetensors`)
    const session = await begun(PLANS[name])
    await saveSession(session, safetensorsSink(path))
    const store = await openSafetensors(path)
    const loaded = await loadSession(model, store, { cache: PLANS[name], form: 'dense' }).finally(() => store.close?.())
    expect(loaded.ids).toEqual(session.ids)
    expect(loaded.bytes).toEqual(session.bytes)
    session.dispose() // what goes on began elsewhere: both read the text again, one from the file
    const again = await begun(PLANS[name])
    await saveSession(again, memorySink()) // gives back the entries of its recorded step, as the other did
    const wanted = await continued(again)
    const got = await continued(loaded)
    if (engine === 'cpu') expect(got).toEqual(wanted)
    else expect(Math.max(...got.map((value, i) => Math.abs(value - wanted[i])))).toBeLessThan(1e-5)
    again.dispose()
    loaded.dispose()
  })
})

describe('a saved session', () => {
  beforeAll(async () => void expect(await tf.setBackend('cpu')).toBe(true))

  const parametersOf = async (cache: CachePlan = []): Promise<Record<string, Parameter>> => {
    const session = await begun(cache)
    const kept: Record<string, Parameter> = {}
    const sink = { ...memorySink(), write: async (name: string, parameter: Parameter) => void (kept[name] = parameter) }
    await saveSession(session, sink)
    session.dispose()
    return kept
  }
  let plain: Record<string, Parameter>
  beforeAll(async () => void (plain = await parametersOf()))
  const loading = async (store: ParameterStore, of: LanguageModel = model, cache: CachePlan = []) => {
    const session = await loadSession(of, store, { cache })
    session.dispose()
  }

  it('is refused by another model, tokenizer, plan and version, and says which', async () => {
    const store = memoryStore(await parametersOf(PLANS['compact streaming']))
    const plan = PLANS['compact streaming']
    await expect(loading(store, picoLlama({ vocabulary: 40, seed: 4 }), plan)).rejects.toMatchObject({
      code: 'RESUME',
      fields: { differs: 'model' },
    })
    const other = { ...model, files: { 'tokenizer.json': new Uint8Array([1]) } }
    await expect(loading(store, other, plan)).rejects.toThrow('The saved session is of another tokenizer.\nPut the tokenizer.json')
    await expect(loading(store, model, [])).rejects.toThrow(
      'The saved session was kept small by another plan: streaming-llm(sinks=2, window=10, slack=3, positions=compact), not none.\nPass the same',
    )
    const record = plain.session as Extract<Parameter, { kind: 'dense' }>
    const text = new TextDecoder().decode(record.bytes).replace('"version":1', '"version":2')
    const newer = memoryStore({ ...plain, session: dense('u8', [text.length], new TextEncoder().encode(text)) })
    await expect(loading(newer)).rejects.toThrow('The saved session was written in another form.\nOpen it with')
  })

  it('is refused where its file was cut, at any byte', async () => {
    const path = join(folder, 'whole.safetensors')
    const session = await begun()
    await saveSession(session, safetensorsSink(path))
    session.dispose()
    const bytes = await readFile(path)
    const cut = join(folder, 'cut.safetensors')
    for (
      let length = 0;
      length < bytes.length;
      length += Math.max(1, Math.floor(bytes.length / (process.env.TERSOR_SLOW === '1' ? 97 : 29)))
    ) {
      await writeFile(cut, bytes.subarray(0, length))
      await expect(openSafetensors(cut).then(store => loading(store).finally(() => store.close?.()))).rejects.toMatchObject({
        code: 'BAD_FILE',
      })
    }
  })

  it.each<[string, (all: Record<string, Parameter>) => Record<string, Parameter>, string]>([
    ['keys of another size', all => ({ ...all, 'layers.0.parts.0.keys': fromFloat32(new Float32Array(2 * 23 * 4), 'f32', [2, 23, 4]) }), '"layers.0.parts.0.keys" of the saved cache is [2,23,4], expected [rows, entries, 8].'],
    ['fewer values than keys', all => ({ ...all, 'layers.0.parts.0.values': fromFloat32(new Float32Array(2 * 22 * 8), 'f32', [2, 22, 8]) }), 'is [2,22,8], and its keys are [2,23,8].'],
    ['keys that are no floats', all => ({ ...all, 'layers.1.parts.0.keys': fromIntegers(new Int32Array(2 * 23 * 8), 'i32', [2, 23, 8]) }), 'is no f32 tensor.'],
    ['rows of another number of heads', all => ({ ...all, ...Object.fromEntries(['keys', 'values'].map(part => [`layers.0.parts.0.${part}`, fromFloat32(new Float32Array(23 * 8), 'f32', [1, 23, 8])])) }), 'has 1 rows, and the layer 2 key heads.'],
    ['positions that do not ascend', all => ({ ...all, 'layers.0.parts.0.positions': fromIntegers(new Int32Array(23), 'i32', [23]) }), 'has position 0 at 1.'],
    ['more entries than positions', all => ({ ...all, ...Object.fromEntries(['keys', 'values'].map(part => [`layers.0.parts.0.${part}`, fromFloat32(new Float32Array(2 * 24 * 8), 'f32', [2, 24, 8])])) }), 'holds 24 entries before position 23.'],
    ['sums of other entries', all => ({ ...all, 'layers.0.sums': fromFloat32(new Float32Array(47), 'f32', [47]) }), '"layers.0.sums" of the saved cache has 47 numbers for 46 entries.'],
    ['tokens of another number', all => ({ ...all, ids: fromIntegers([1, 2], 'i32', [2]) }), 'The saved session has 2 tokens, and its caches saw 23.'],
    ['tokens of another vocabulary', all => ({ ...all, ids: fromIntegers(new Int32Array(23).fill(40), 'i32', [23]) }), 'holds token 40, and the model knows 0 to 39.'],
    ['a record that is no JSON', all => ({ ...all, session: dense('u8', [2], new Uint8Array([123, 255])) }), 'has a record that cannot be read.'],
    ['no record', ({ session: _none, ...all }) => all, 'has no tokens, or no record of what it is.'],
    ['a layer that is missing', all => Object.fromEntries(Object.entries(all).filter(([name]) => name !== 'layers.1.parts.0.values')), 'lacks "layers.1.parts.0.values".'],
  ])('is refused with %s', async (_what, edit, words) => { await expect(loading(memoryStore(edit(plain)))).rejects.toMatchObject({ code: 'BAD_FILE', message: expect.stringContaining(words) }) }) // prettier-ignore

  const storedBy = async (level: number): Promise<Record<string, Parameter>> => {
    const session = await begun(PLANS['ragged snap-kv, then random'])
    const kept: Record<string, Parameter> = {}
    const sink = { ...memorySink(), write: async (name: string, parameter: Parameter) => void (kept[name] = parameter) }
    await saveSession(session, sink, { storage: cacheGen({ level }) })
    session.dispose()
    return kept
  }

  it('is stored as a stream where one is passed, and read by the storage of its name with any options', async () => {
    const cache = PLANS['ragged snap-kv, then random']
    const loaded = await loadSession(model, memoryStore(await storedBy(4)), { cache, storage: cacheGen({ level: 1 }) })
    const full = await begun(cache)
    expect(loaded.ids).toEqual(full.ids)
    expect(loaded.caches.layers.map(layer => layer?.held.map(({ keys }) => keys.shape))).toEqual(full.caches.layers.map(layer => layer?.held.map(({ keys }) => keys.shape))) // prettier-ignore
    const [near, exact] = [await loaded.append([4]), await full.append([4])]
    const most = Math.max(...near.map((value, i) => Math.abs(value - exact[i])))
    expect(most).toBeLessThan(0.3)
    expect(most).toBeGreaterThan(1e-5)
    ;[loaded, full].forEach(session => session.dispose())
  })

  it('is refused without its storage, by another, and where its streams are damaged', async () => {
    const all = await storedBy(3)
    const cache = PLANS['ragged snap-kv, then random']
    const open = (parameters: Record<string, Parameter>, storage?: ReturnType<typeof cacheGen>) =>
      loadSession(model, memoryStore(parameters), { cache, ...(storage ? { storage } : {}) })
    await expect(open(all)).rejects.toThrow(
      'The saved session is stored by cache-gen(level=3, group=10, deltas=true, tables=auto).\nPass it as storage',
    )
    await expect(open(all, { ...cacheGen(), name: 'other' })).rejects.toMatchObject({ code: 'RESUME', fields: { differs: 'storage' } })
    const name = 'layers.0.parts.0.keys'
    const { bytes } = all[name] as Extract<Parameter, { kind: 'dense' }>
    const cut = { ...all, [name]: dense('u8', [9], bytes.slice(0, 9)) }
    await expect(open(cut, cacheGen())).rejects.toMatchObject({ code: 'BAD_FILE' })
    const floats = { ...all, [name]: fromFloat32(new Float32Array(8), 'f32', [1, 1, 8]) }
    await expect(open(floats, cacheGen())).rejects.toThrow(`"${name}" of the saved session holds no bytes of a storage.`)
    const other = cacheGen().encode({ values: new Float32Array(8), shape: [1, 2, 4] }, { layer: 0, of: 2, part: 'keys' })
    await expect(open({ ...all, [name]: dense('u8', [other.length], other) }, cacheGen())).rejects.toThrow(
      'is [1,2,4], expected [rows, entries, 8].',
    )
  })

  it('knows no more of the context than before: ids beyond it are refused behind loading', async () => {
    const store = memoryStore(plain)
    const loaded = await loadSession(model, store)
    await expect(loaded.append(new Array<number>(60).fill(1))).rejects.toThrow('60 tokens behind 23 end beyond the context of 64.')
    expect(loaded.ids).toHaveLength(23)
    await loaded.append([1])
    loaded.dispose()
  })

  it('aborts its sink where that fails', async () => {
    const session = await begun()
    let aborted = 0
    const failing = { ...memorySink(), write: () => Promise.reject(new Error('disk full')), abort: async () => void aborted++ }
    await expect(saveSession(session, failing)).rejects.toThrow('disk full')
    expect(aborted).toBe(1)
    session.dispose()
  })
})
