import * as tf from '@tensorflow/tfjs-core'
import '@tersor/backend-ort'
import type { BlockFile, CachePlan } from '@tersor/core'
import { openSession, openSessionPool, picoLlama, type Session } from '@tersor/models'
import { casesTried, describeSwap } from '@tersor/testing'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { adaptive } from './adaptive.js'
import { fileBlocks, memoryBlocks } from './blocks/block-file.js'
import { int8 } from './int8.js'
import { fastSwitch } from './fast-switch.js'
import { h2o } from './h2o.js'
import { snapKv } from './snap-kv.js'
import { streamingLlm } from './streaming-llm.js'

describeSwap(() => fastSwitch({ block: 4 }), {
  file: memoryBlocks,
  plans: {
    'heads and layers are ragged': [adaptive({ policy: snapKv({ keep: 12, recent: 3, every: 5 }) })],
    'positions are compact': [streamingLlm({ sinks: 2, window: 17, slack: 3, positions: 'compact' })],
  },
})

const model = picoLlama({ vocabulary: 40, seed: 3, context: 128 }) // two layers of two key heads of 8
const LANES = 4
const idsOf = (text: number, count: number, from = 0): number[] =>
  Array.from({ length: count }, (_, i) => (7 * (from + i) + 5 * text + 3) % 40)

let folder = ''
let before = 0
beforeAll(async () => {
  await tf.setBackend('ort')
  folder = await mkdtemp(join(tmpdir(), 'tersor-swap-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

const begun = async (tokens: number, cache: CachePlan = []): Promise<Session> => {
  const session = await openSession(model, { cache })
  await session.append(idsOf(0, tokens))
  return session
}

it('writes only blocks that are new and the one that was not full, in one run where there is room', async () => {
  const swap = fastSwitch({ block: 4 }).open(memoryBlocks())
  const session = await begun(40) // ten blocks of each lane
  await swap.out('a', session.ids, session.caches)
  const bytes = 4 * 2 * 8 * 4 // of a block: entries · keys and values · size · float
  expect(swap.traffic).toMatchObject({ writes: 1, bytesWritten: 10 * LANES * bytes })
  await session.append([5])
  await swap.out('a', session.ids, session.caches)
  expect(swap.traffic).toMatchObject({ writes: 2, bytesWritten: 11 * LANES * bytes }) // the eleventh
  await session.append([6])
  await swap.out('a', session.ids, session.caches)
  expect(swap.traffic.bytesWritten).toBe(12 * LANES * bytes) // the eleventh again
  const caches = await swap.in('a', model)
  expect(caches.seen).toBe(42)
  for (const [i, layer] of caches.layers.entries())
    expect(await layer?.held[0].keys.data()).toEqual(await session.caches.layers[i]?.held[0].keys.data())
  caches.dispose()
  session.dispose()
})

it('takes nothing for valid once entries were let go or the text is another', async () => {
  const swap = fastSwitch({ block: 4 }).open(memoryBlocks())
  const bytes = 4 * 2 * 8 * 4
  const session = await begun(40)
  await swap.out('a', session.ids, session.caches)
  session.rewind(30)
  await session.append([1, 2, 3, 4])
  await swap.out('a', session.ids, session.caches)
  expect(swap.traffic.bytesWritten).toBe((10 + 2) * LANES * bytes) // seven whole blocks were before the 30th token
  session.dispose()
  const small = await begun(40, [h2o({ keep: 20, every: 1 })])
  await swap.out('b', small.ids, small.caches)
  const sofar = swap.traffic.bytesWritten
  await small.append([5])
  await swap.out('b', small.ids, small.caches)
  expect(swap.traffic.bytesWritten - sofar).toBe(5 * LANES * bytes)
  small.dispose()
})

const POOLED: readonly (readonly [string, CachePlan, number])[] = [
  ['nothing is let go', [], 48],
  ['heads and layers are ragged', [adaptive({ policy: snapKv({ keep: 12, recent: 3, every: 5 }) })], 20], // what is swapped is above
  ['positions are compact', [streamingLlm({ sinks: 2, window: 17, slack: 3, positions: 'compact' })], 24],
]

it.each(casesTried(POOLED, 2))('gives texts under a cap the logits that they have without one: %s', async (_what, cache, entries) => {
  const texts = [0, 1, 2]
  const most = 2 * entries * 256 // of two texts, a bit more where heads part
  const path = join(folder, 'blocks')
  const swap = fastSwitch({ block: 4 }).open(await fileBlocks(path))
  const pool = await openSessionPool(model, { cache, swap, most })
  const free = await Promise.all(texts.map(() => openSession(model, { cache })))
  try {
    for (let turn = 0; turn < 3; turn++)
      for (const text of texts)
        for (const ids of turn === 0 ? [idsOf(text, 30)] : [idsOf(text, 4, 30 + 5 * turn), [turn]]) {
          const [got, wanted] = [await pool.append(`t${text}`, ids), await free[text].append(ids)]
          expect(got.reduce((most, value, i) => Math.max(most, Math.abs(value - wanted[i])), 0)).toBeLessThan(1e-5)
          expect(pool.bytes).toBeLessThanOrEqual(Math.max(most, 30 * 256)) // a prompt has its room
        }
    texts.forEach(text => expect(pool.ids(`t${text}`)).toEqual(free[text].ids))
    expect(pool.resident.length).toBeLessThan(texts.length)
    expect(pool.resident.at(-1)).toBe('t2')
    pool.close('t2')
    expect(pool.ids('t2')).toEqual([])
    expect((await stat(path)).size).toBeGreaterThan(0)
  } finally {
    await pool.dispose()
    free.forEach(session => session.dispose())
  }
  expect(await readdir(folder)).toEqual([])
})

it('writes fewer and larger runs than block by block, and less than all of it each time', async () => {
  const trafficOf = async (options: Parameters<typeof fastSwitch>[0]) => {
    const swap = fastSwitch({ block: 4, ...options }).open(memoryBlocks())
    const pool = await openSessionPool(model, { swap, most: 24 * 256 })
    for (let turn = 0; turn < 4; turn++) for (const text of [0, 1]) await pool.append(`t${text}`, idsOf(text, 8, 8 * turn))
    await pool.dispose()
    return swap.traffic
  }
  const [own, single, whole] = [await trafficOf({}), await trafficOf({ grouped: false }), await trafficOf({ reuse: false })]
  expect(own.bytesWritten).toBe(single.bytesWritten)
  expect(own.writes * 4).toBeLessThan(single.writes)
  expect(own.bytesWritten).toBeLessThan(whole.bytesWritten)
})

it('stays as it was where a flush fails or is aborted in the middle, and goes on', async () => {
  let failing = false
  const inner = memoryBlocks()
  const file: BlockFile = { ...inner, write: (at, bytes) => (failing ? Promise.reject(new Error('disk full')) : inner.write(at, bytes)) }
  const swap = fastSwitch({ block: 4 }).open(file)
  const pool = await openSessionPool(model, { swap, most: 60 * 256 })
  await pool.append('a', idsOf(0, 30))
  failing = true
  await expect(pool.append('b', idsOf(1, 40))).rejects.toThrow('disk full')
  expect(pool.resident).toEqual(['a'])
  failing = false
  const stop = { signal: AbortSignal.abort(new Error('enough')) }
  await expect(pool.append('b', idsOf(1, 40), stop)).rejects.toThrow('enough')
  await pool.append('b', idsOf(1, 40))
  expect(pool.resident).toEqual(['b'])
  const alone = await openSession(model, { count: 1 }) // its step is not recorded either, which rounds otherwise
  await alone.append(idsOf(0, 30))
  expect(await pool.append('a', [4])).toEqual(await alone.append([4]))
  alone.dispose()
  await pool.dispose()
})

it('refuses a text that was not written, a file without room, and a cap that is none', async () => {
  const swap = fastSwitch({ block: 4, blocks: 8 }).open(memoryBlocks())
  await expect(swap.in('a', model)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  const session = await begun(12)
  await expect(swap.out('a', session.ids, session.caches)).rejects.toMatchObject({ code: 'DISK' })
  session.dispose()
  await expect(openSessionPool(model, { swap, most: 0 })).rejects.toThrow('most is 0.')
  await expect(fileBlocks(join(folder, 'no', 'such'))).rejects.toMatchObject({ code: 'DISK' })
})

it('refuses entries that an encoding made', async () => {
  const swap = fastSwitch({ block: 4 }).open(memoryBlocks())
  const session = await openSession(model, { cache: [int8()] })
  await session.append(idsOf(0, 12))
  await expect(swap.out('a', session.ids, session.caches)).rejects.toThrow(
    'fast-switch writes exact entries, and int8 encodes them.\nSwap texts without',
  )
  session.dispose()
})
