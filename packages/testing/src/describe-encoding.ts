import * as tf from '@tensorflow/tfjs-core'
import {
  callText,
  decode,
  definePolicy,
  loadModel,
  openCaches,
  positionsOf,
  readCaches,
  storeCaches,
  type CacheEncoding,
  type CachePlan,
  type Caches,
  type HeldCache,
  type LoadedWeights,
  type Made,
} from '@tersor/core'
import { denseLeaves, describe as inWords } from '@tersor/tensor'
import { feedCaches } from './feed-caches.js'
import { picoDecoder } from './pico-decoder.js'
import { useEngine } from './use-engine.js'

export interface EncodingSuite {
  /** The same encoding with more exact entries than 64: it encodes nothing. */
  readonly ample: () => CacheEncoding & Made
  /** Of a layer of 2 heads of 8 channels after 40 tokens: bytes of codes, and of scales and other floats. */
  readonly bytes: readonly [codes: number, scales: number]
  /** How far encoded keys and values may be from exact ones, as a part of these; of keys, of values. */
  readonly error: readonly [keys: number, values: number]
}

const PROMPT = 40
const NEXT = Array.from({ length: 18 }, (_, i) => (5 * i + 3) % 24)

/** Tokens that are read at once behind the prompt; each by itself where TERSOR_SLOW is 1. Blocks of 16 are full before the last two. */
const inPieces = (sizes: readonly number[]): readonly (readonly number[])[] => {
  const startOf = (at: number): number => sizes.slice(0, at).reduce((sum, size) => sum + size, 0)
  const pieces = sizes.map((size, i) => NEXT.slice(startOf(i), startOf(i) + size))
  return process.env.TERSOR_SLOW === '1' ? pieces.flat().map(id => [id]) : pieces
}
const [TURNS, FEW] = [inPieces([1, 7, 8, 1, 1]), inPieces([1, 15, 2])]

/** Lets every third entry of old ones go. */
const thinned = definePolicy({
  name: 'thinned',
  summary: 'lets every third of the old entries go',
  options: {},
  make: () => ({
    kind: 'policy',
    needs: {},
    when: { every: 7 },
    keep: ({ parts }) =>
      parts.flatMap(({ positions }) =>
        positions.map(list => Int32Array.from(list, (_, i) => i).filter(i => i % 3 > 0 || i > list.length - 9)),
      ),
  }),
})

const text = (rows = 1): tf.Tensor =>
  tf.tensor2d(
    Int32Array.from({ length: rows * PROMPT }, (_, i) => (i * i + 3 * i + Math.floor(i / PROMPT)) % 24),
    [rows, PROMPT],
    'int32',
  )

const own = ({ layers }: Caches): readonly HeldCache[] => layers.filter(layer => layer !== undefined)

/** Every leaf of the trees of all pages. */
const pagesOf = (caches: Caches) =>
  own(caches).flatMap(({ pages }) =>
    pages.map(({ keys, values, positions }) => [
      inWords(keys),
      inWords(values),
      ...[keys, values].flatMap(denseLeaves).map(({ bytes }) => bytes),
      positions,
    ]),
  )

/** The promises that every encoding of a cache keeps; call it first in its test. */
export const describeEncoding = (make: () => CacheEncoding & Made, { ample, bytes, error }: EncodingSuite): void => {
  const model = picoDecoder()
  let loaded: LoadedWeights

  /** Feeds tokens, which are freed. */
  const feed = (caches: Caches, ids: tf.Tensor, signal?: AbortSignal): Promise<number[]> =>
    feedCaches(caches, ids, loaded, signal).finally(() => ids.dispose())
  const continued = async (caches: Caches, turns = TURNS): Promise<number[]> => {
    const logits: number[] = []
    for (const ids of turns) logits.push(...(await feed(caches, tf.tensor2d([...ids], [1, ids.length], 'int32'))))
    return logits
  }
  const begun = async (plan: CachePlan, rows = 1): Promise<Caches> => {
    const caches = openCaches(model, plan, { seed: 3 })
    await feed(caches, text(rows))
    return caches
  }
  const logitsWith = async (plan: CachePlan): Promise<number[]> => {
    const caches = await begun(plan)
    const logits = await continued(caches, FEW)
    caches.dispose()
    return logits
  }

  describe(`${callText(make())} as an encoding`, () => {
    useEngine()
    let before = 0
    beforeAll(async () => {
      loaded = await loadModel(model)
    })
    beforeEach(() => (before = tf.memory().numTensors))
    afterEach(() => expect(tf.memory().numTensors).toBe(before))
    afterAll(() => loaded.dispose())

    it('changes no bit where it encodes nothing', async () => expect(await logitsWith([ample()])).toEqual(await logitsWith([])))

    it('takes the bytes that its formula says, and frees what was exact', async () => {
      const [caches, whole] = [await begun([make()]), await begun([])]
      for (const { codes, scales, exact } of caches.bytes.layers) {
        expect([codes, scales]).toEqual([...bytes])
        expect(exact).toBeLessThan(whole.bytes.layers[0].exact)
      }
      own(caches).forEach(layer => {
        const held =
          layer.held[0].keys.shape[1]! + layer.pages.reduce((sum, { from, to, keys }) => sum + ((to - from) * keys.shape[1]) / 2, 0)
        expect(held).toBe(PROMPT)
      })
      for (const each of [caches, whole]) each.dispose()
    })

    it('holds every position once, close to what it was', async () => {
      const [caches, whole] = [await begun([make()], 2), await begun([], 2)]
      const [got, wanted] = [own(caches)[0].decoded(), own(whole)[0].held]
      expect(got.map(positionsOf)).toEqual(wanted.map(positionsOf))
      const far = (part: 'keys' | 'values'): number =>
        tf.tidy(() => tf.div(tf.norm(tf.sub(got[0][part], wanted[0][part])), tf.norm(wanted[0][part])).dataSync()[0])
      expect(far('keys')).toBeLessThan(error[0])
      expect(far('values')).toBeLessThan(error[1])
      got.forEach(({ keys, values }) => tf.dispose([keys, values]))
      for (const each of [caches, whole]) each.dispose()
    })

    it.each([
      ['alone', []],
      ['behind a policy', [thinned()]],
    ] as const)('attends as over what it decodes to: %s', async (_what, policies) => {
      const caches = await begun([...policies, make()])
      for (const turn of inPieces([1, 7, 1])) {
        const fork = caches.fork()
        own(fork).forEach(layer => layer.thaw().drop())
        const ids = tf.tensor2d([turn[0], 7], [1, 2], 'int32')
        const difference = tf.tidy(() => {
          const [got, wanted] = [caches.fork(), fork].map(each => {
            const logits = each.forward(ids, loaded)
            each.dispose()
            return logits
          })
          return tf.div(tf.max(tf.abs(tf.sub(got, wanted))), tf.max(tf.abs(wanted)))
        })
        expect((await difference.data())[0]).toBeLessThan(1e-5)
        tf.dispose([difference, ids])
        await feed(caches, tf.tensor2d([...turn], [1, turn.length], 'int32'))
      }
      caches.dispose()
    })

    it('gives the same bytes for the same seed', async () => {
      const [first, second] = [await begun([make()]), await begun([make()])]
      for (const each of [first, second]) await continued(each, FEW)
      expect(pagesOf(first)).toEqual(pagesOf(second))
      expect(pagesOf(first).length).toBeGreaterThan(0)
      for (const each of [first, second]) each.dispose()
    })

    it('goes on alike in a fork and where it was saved', async () => {
      const caches = await begun([make()])
      const fork = caches.fork()
      const { facts, parameters } = await storeCaches(caches)
      const reading = { read: async (name: string) => parameters[name], has: (name: string) => name in parameters }
      const read = await readCaches(model, caches.plan, JSON.parse(JSON.stringify(facts)) as typeof facts, reading)
      expect(read.bytes).toEqual(caches.bytes)
      const wanted = await continued(caches)
      expect(await continued(fork)).toEqual(wanted)
      expect(await continued(read)).toEqual(wanted)
      for (const each of [caches, fork, read]) each.dispose()
    })

    it('leaves layers whole where it is aborted or fails, and goes on', async () => {
      for (const stop of [1, 2]) {
        const controller = new AbortController()
        let asked = 0
        const encoding = make()
        const encode: CacheEncoding['encode'] = async (leaving, view) => {
          if (++asked === stop) controller.abort(new Error('stopped by the test'))
          const parts = await encoding.encode(leaving, view)
          if (asked === stop && stop === 2) throw new Error('stopped by the test')
          return parts
        }
        const caches = openCaches(model, [{ ...encoding, encode }], { seed: 3 })
        await feed(caches, text(), controller.signal).catch(thrown => expect(String(thrown)).toContain('stopped by the test'))
        expect((await feed(caches, tf.tensor2d([[5]], [1, 1], 'int32'))).every(Number.isFinite)).toBe(true)
        caches.dispose()
      }
    })

    it('gives trees that decode to their shapes', async () => {
      const caches = await begun([make()], 2)
      for (const { pages } of own(caches))
        for (const { from, to, keys, values } of pages)
          for (const tree of [keys, values]) {
            const decoded = decode(tree)
            expect(decoded.shape).toEqual([to - from, keys.shape[1], 8])
            if (tree.kind === 'encoded') expect(tree.codec.check?.(tree.parts, tree.attrs, tree.shape)).toBeUndefined()
            decoded.dispose()
          }
      caches.dispose()
    })
  })
}
