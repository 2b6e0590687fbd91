import * as tf from '@tensorflow/tfjs-core'
import {
  callText,
  createRng,
  loadModel,
  openCaches,
  type BlockFile,
  type CachePlan,
  type Caches,
  type LoadedWeights,
  type Made,
  type SwapRule,
} from '@tersor/core'
import { feedCaches } from './feed-caches.js'
import { picoDecoder } from './pico-decoder.js'
import { useEngine } from './use-engine.js'

export interface SwapSuite {
  /** Where blocks are kept. */
  readonly file: () => BlockFile
  /** Plans whose caches it takes, by what they are like; the one that lets nothing go is tried anyway. */
  readonly plans: Readonly<Record<string, CachePlan>>
}

const PROMPT = 30

const idsOf = (count: number): readonly number[] => {
  const rng = createRng(9)
  return Array.from({ length: count }, () => rng.integer(24))
}

/** Numbers, positions and counts of all entries. */
const heldIn = async (caches: Caches) =>
  Promise.all(
    caches.layers.flatMap(layer =>
      (layer?.held ?? []).map(async ({ keys, values, positions, counts }) => ({
        ...{ shape: keys.shape, positions, counts },
        keys: await keys.data(),
        values: await values.data(),
      })),
    ),
  )

/** The promises that every rule of swapping keeps; call it first in its test. */
export const describeSwap = (make: () => SwapRule & Made, { file, plans }: SwapSuite): void => {
  const model = picoDecoder()
  let loaded: LoadedWeights

  const feed = async (caches: Caches, ids: readonly number[]): Promise<number[]> => {
    const tensor = tf.tensor2d([...ids], [1, ids.length], 'int32')
    try {
      return await feedCaches(caches, tensor, loaded)
    } finally {
      tensor.dispose()
    }
  }
  const begun = async (plan: CachePlan, ids = idsOf(PROMPT)): Promise<Caches> => {
    const caches = openCaches(model, plan, { seed: 3 })
    await feed(caches, ids)
    return caches
  }

  describe(`${callText(make())} as a swap`, () => {
    useEngine()
    let before = 0
    beforeAll(async () => {
      loaded = await loadModel(model)
    })
    beforeEach(() => (before = tf.memory().numTensors))
    afterEach(() => expect(tf.memory().numTensors).toBe(before))
    afterAll(() => loaded.dispose())

    it.each<[string, CachePlan]>([['nothing is let go', []], ...Object.entries(plans)])(
      'gives caches back as they were, from turn to turn: %s',
      async (_what, plan) => {
        const swap = make().open(file())
        const ids = idsOf(PROMPT + 12)
        let caches = await begun(plan)
        const stayed = await begun(plan)
        for (let at = PROMPT; at < ids.length; at += 4) {
          await swap.out('text', ids.slice(0, at), caches)
          caches.dispose()
          caches = await swap.in('text', model)
          expect(await heldIn(caches)).toEqual(await heldIn(stayed))
          expect(await feed(caches, ids.slice(at, at + 4))).toEqual(await feed(stayed, ids.slice(at, at + 4)))
        }
        for (const each of [caches, stayed]) each.dispose()
        await swap.close()
      },
    )

    it('counts what it writes, and writes no less for a longer text', async () => {
      const swap = make().open(file())
      const caches = await begun([])
      await swap.out('short', idsOf(PROMPT), caches)
      const { bytesWritten: first } = swap.traffic
      expect(first).toBeGreaterThanOrEqual(caches.bytes.total)
      const longer = await begun([], idsOf(2 * PROMPT))
      await swap.out('long', idsOf(2 * PROMPT), longer)
      expect(swap.traffic.bytesWritten - first).toBeGreaterThan(first)
      for (const each of [caches, longer]) each.dispose()
      await swap.close()
    })

    it('keeps what was written before where a write fails or a signal ends it', async () => {
      const inner = file()
      let failing = false
      const failed: BlockFile = { ...inner, write: (at, bytes) => (failing ? Promise.reject(new Error('the disk is full')) : inner.write(at, bytes)) } // prettier-ignore
      const swap = make().open(failed)
      const caches = await begun([])
      await swap.out('text', idsOf(PROMPT), caches)
      const written = await heldIn(caches)
      await feed(caches, idsOf(8))
      const ids = [...idsOf(PROMPT), ...idsOf(8)]
      await expect(swap.out('text', ids, caches, AbortSignal.abort(new Error('stopped by the test')))).rejects.toThrow(
        'stopped by the test',
      )
      failing = true
      await expect(swap.out('text', ids, caches)).rejects.toThrow('the disk is full')
      const back = await swap.in('text', model)
      expect(await heldIn(back)).toEqual(written)
      for (const each of [caches, back]) each.dispose()
      await swap.close()
    })

    it('knows no text that was not written, or is forgotten', async () => {
      const swap = make().open(file())
      await expect(swap.in('text', model)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      const caches = await begun([])
      await swap.out('text', idsOf(PROMPT), caches)
      swap.forget('text')
      await expect(swap.in('text', model)).rejects.toMatchObject({ code: 'NOT_FOUND' })
      caches.dispose()
      await swap.close()
    })
  })
}
