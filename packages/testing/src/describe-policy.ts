import * as tf from '@tensorflow/tfjs-core'
import {
  callText,
  createRng,
  loadModel,
  openCaches,
  piecesOf,
  positionsOf,
  type CachePlan,
  type CachePolicy,
  type Caches,
  type LoadedWeights,
  type Made,
} from '@tersor/core'
import { feedCaches } from './feed-caches.js'
import { maskedCache } from './masked-cache.js'
import { picoDecoder } from './pico-decoder.js'
import { useEngine } from './use-engine.js'

export interface PolicySuite {
  /** The same policy with room for 64 entries in each head: it lets nothing go. */
  readonly ample: () => CachePolicy & Made
  /** Entries that the rows of a layer hold on average at most after 40 tokens. */
  readonly most: number
}

const PROMPT = 40
const CONTINUED = process.env.TERSOR_SLOW === '1' ? 24 : 14

const idsOf = (count: number, from = 0): tf.Tensor => {
  const rng = createRng(7)
  const ids = Int32Array.from({ length: 2 * (from + count) }, () => rng.integer(24))
  return tf.tidy(() => tf.slice(tf.tensor2d(ids, [2, from + count], 'int32'), [0, from], [-1, -1]))
}

/** A prompt and tokens behind it, one by one. */
const textOf = (continued: number): tf.Tensor[] => [idsOf(PROMPT), ...Array.from({ length: continued }, (_, i) => idsOf(1, PROMPT + i))]

/** Positions of all rows of a layer. */
const heldIn = (caches: Caches) => caches.layers.map(layer => layer?.held.flatMap(positionsOf))

/** The promises that every cache policy keeps; call it first in its test. */
export const describePolicy = (make: () => CachePolicy & Made, { ample, most }: PolicySuite): void => {
  const model = picoDecoder()
  let loaded: LoadedWeights

  const feed = (caches: Caches, ids: tf.Tensor, signal?: AbortSignal): Promise<number[]> => feedCaches(caches, ids, loaded, signal)
  const run = async (caches: Caches, continued = CONTINUED): Promise<number[]> => {
    const ids = textOf(continued)
    const logits: number[] = []
    try {
      for (const each of ids) logits.push(...(await feed(caches, each)))
    } finally {
      tf.dispose(ids)
    }
    return logits
  }
  const logitsWith = async (plan: CachePlan): Promise<number[]> => {
    const caches = openCaches(model, plan, { seed: 3 })
    const logits = await run(caches)
    caches.dispose()
    return logits
  }

  describe(`${callText(make())} as a policy`, () => {
    useEngine()
    let before = 0
    beforeAll(async () => {
      loaded = await loadModel(model)
    })
    beforeEach(() => (before = tf.memory().numTensors))
    afterEach(() => expect(tf.memory().numTensors).toBe(before))
    afterAll(() => loaded.dispose())

    it('changes no bit where it lets nothing go', async () => expect(await logitsWith([ample()])).toEqual(await logitsWith([])))

    it('keeps its budget, in memory too, with positions that ascend', async () => {
      const [caches, whole] = [openCaches(model, [make()], { seed: 3 }), openCaches(model)]
      for (const each of [caches, whole]) await run(each, 0)
      for (const rows of heldIn(caches)) {
        if (!rows) continue
        const held = rows.reduce((sum, list) => sum + list.length, 0)
        expect(held).toBeGreaterThan(0)
        expect(held / rows.length).toBeLessThanOrEqual(most)
        for (const list of rows) list.forEach((position, i) => i > 0 && expect(position).toBeGreaterThan(list[i - 1]))
      }
      const exact = ({ bytes }: Caches) => bytes.layers.reduce((sum, layer) => sum + layer.exact, 0)
      expect(exact(caches) / exact(whole)).toBeLessThanOrEqual(most / PROMPT + 1e-9)
      for (const each of [caches, whole]) each.dispose()
    })

    it('gives what hiding the same entries gives', async () => {
      const { positions: _compact, ...policy } = make()
      const caches = openCaches(model, [policy], { seed: 3 })
      const masked = model.stages.map(({ attention }) => attention && maskedCache(attention))
      const ids = textOf(CONTINUED)
      const hiding = (x: tf.Tensor) =>
        model.stages.reduce((y, stage, i) => stage.run(y, { weights: loaded.weights, ...(masked[i] ? { cache: masked[i] } : {}) }), x)
      for (const each of ids)
        for (const { from, to, pause } of piecesOf(caches, each.shape[1]!)) {
          const piece = tf.slice(each, [0, from], [-1, to - from])
          const difference = tf.tidy(() => {
            const wanted = hiding(piece)
            return tf.div(tf.max(tf.abs(tf.sub(caches.forward(piece, loaded), wanted))), tf.max(tf.abs(wanted)))
          })
          expect((await difference.data())[0]).toBeLessThan(1e-6)
          tf.dispose([difference, piece])
          await caches.settle(pause)
          heldIn(caches).forEach((rows, i) => rows && masked[i]?.keepOnly(rows))
        }
      masked.forEach(each => each?.dispose())
      tf.dispose(ids)
      caches.dispose()
    })

    it('gives the same for the same seed, and in a fork what goes on in the other', async () => {
      expect(await logitsWith([make()])).toEqual(await logitsWith([make()]))
      const caches = openCaches(model, [make()], { seed: 3 })
      await run(caches, 3)
      const fork = caches.fork()
      const more = Array.from({ length: 5 }, (_, i) => idsOf(1, PROMPT + 3 + i))
      const continuation = async (of: Caches): Promise<number[]> => {
        const logits: number[] = []
        for (const each of more) logits.push(...(await feed(of, each)))
        return logits
      }
      expect(await continuation(fork)).toEqual(await continuation(caches))
      tf.dispose(more)
      for (const each of [caches, fork]) each.dispose()
    })

    it('leaves layers whole where it is aborted between them, and goes on', async () => {
      for (const stop of [1, 2]) {
        const controller = new AbortController()
        let asked = 0
        const policy = make()
        const keep: CachePolicy['keep'] = view => {
          if (++asked === stop) controller.abort(new Error('stopped by the test'))
          return policy.keep(view)
        }
        const caches = openCaches(model, [{ ...policy, keep }], { seed: 3 })
        const [ids, next] = [idsOf(PROMPT), idsOf(1, PROMPT)]
        await feed(caches, ids, controller.signal).catch(error => expect(String(error)).toContain('stopped by the test'))
        expect((await feed(caches, next)).every(Number.isFinite)).toBe(true)
        tf.dispose([ids, next])
        caches.dispose()
      }
    })
  })
}
