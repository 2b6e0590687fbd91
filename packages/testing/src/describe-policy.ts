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
const ALL = process.env.TERSOR_SLOW === '1'
const ones = (count: number): readonly number[] => new Array<number>(count).fill(1)
/** How many tokens are read at once behind the prompt: single ones until a policy is asked and one more, then several. */
const continuedFor = ({ when }: CachePolicy): readonly number[] => {
  if (ALL) return ones(24)
  if ('at' in when) return [1, 1, 4]
  return [...ones(Math.min(14, ('every' in when ? when.every : when.slack) + 1)), 4]
}
/** The same where nothing is let go. */
const UNCHANGED = ALL ? ones(24) : [1, 8]
/** What is read before a fork, and by both sides of it. */
const [BEFORE, BEHIND] = ALL
  ? [ones(3), ones(21)]
  : [
      [1, 2],
      [1, 1, 3],
    ]

const idsOf = (count: number, from = 0): tf.Tensor => {
  const rng = createRng(7)
  const ids = Int32Array.from({ length: 2 * (from + count) }, () => rng.integer(24))
  return tf.tidy(() => tf.slice(tf.tensor2d(ids, [2, from + count], 'int32'), [0, from], [-1, -1]))
}

/** So many tokens at once, one piece behind the other. */
const piecesFrom = (from: number, sizes: readonly number[]): tf.Tensor[] =>
  sizes.map((size, i) => idsOf(size, from + sizes.slice(0, i).reduce((sum, before) => sum + before, 0)))

/** A prompt and tokens behind it. */
const textOf = (continued: readonly number[]): tf.Tensor[] => piecesFrom(0, [PROMPT, ...continued])

/** Positions of all rows of a layer. */
const heldIn = (caches: Caches) => caches.layers.map(layer => layer?.held.flatMap(positionsOf))

/** The promises that every cache policy keeps; call it first in its test. */
export const describePolicy = (make: () => CachePolicy & Made, { ample, most }: PolicySuite): void => {
  const model = picoDecoder()
  let loaded: LoadedWeights

  const feed = (caches: Caches, ids: tf.Tensor, signal?: AbortSignal): Promise<number[]> => feedCaches(caches, ids, loaded, signal)
  /** Feeds pieces, which are freed. */
  const run = async (caches: Caches, ids: readonly tf.Tensor[]): Promise<number[]> => {
    const logits: number[] = []
    try {
      for (const each of ids) logits.push(...(await feed(caches, each)))
    } finally {
      tf.dispose([...ids])
    }
    return logits
  }
  const logitsWith = async (plan: CachePlan): Promise<number[]> => {
    const caches = openCaches(model, plan, { seed: 3 })
    const logits = await run(caches, textOf(UNCHANGED))
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
      for (const each of [caches, whole]) await run(each, textOf([]))
      for (const rows of heldIn(caches)) {
        if (!rows) continue
        const held = rows.reduce((sum, list) => sum + list.length, 0)
        expect(held).toBeGreaterThan(0)
        expect(held / rows.length).toBeLessThanOrEqual(most)
        expect(rows.filter(list => list.some((position, i) => i > 0 && !(position > list[i - 1])))).toEqual([])
      }
      const exact = ({ bytes }: Caches) => bytes.layers.reduce((sum, layer) => sum + layer.exact, 0)
      expect(exact(caches) / exact(whole)).toBeLessThanOrEqual(most / PROMPT + 1e-9)
      for (const each of [caches, whole]) each.dispose()
    })

    it('gives what hiding the same entries gives', async () => {
      const { positions: _compact, ...policy } = make()
      const caches = openCaches(model, [policy], { seed: 3 })
      const masked = model.stages.map(({ attention }) => attention && maskedCache(attention))
      const ids = textOf(continuedFor(policy))
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
      const [caches, again] = [openCaches(model, [make()], { seed: 3 }), openCaches(model, [make()], { seed: 3 })]
      const begun = await run(caches, textOf(BEFORE))
      const fork = caches.fork()
      const continuation = (of: Caches): Promise<number[]> => run(of, piecesFrom(PROMPT + BEFORE.reduce((sum, size) => sum + size), BEHIND))
      const continued = await continuation(caches)
      expect(await continuation(fork)).toEqual(continued)
      expect([await run(again, textOf(BEFORE)), await continuation(again)]).toEqual([begun, continued])
      for (const each of [caches, fork, again]) each.dispose()
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
