import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { positionsOf } from './entries.js'
import { heldCache, type HeldCache } from './held-cache.js'
import type { AttentionFacts } from './layer-cache.js'

const FACTS: AttentionFacts = { heads: 2, keyHeads: 2, size: 2, scale: 1, positions: 'none' }

let before = 0
beforeEach(() => (before = tf.memory().numTensors))
afterEach(() => expect(tf.memory().numTensors).toBe(before))

/** Appends tokens whose keys are (token, head) and whose values are (head, token). */
const append = (cache: HeldCache, ...tokens: number[]): void => {
  const pairs = [0, 1].flatMap(head => tokens.map(token => [token, head]))
  const keys = tf.tensor4d(pairs.flat(), [1, 2, tokens.length, 2])
  const values = tf.reverse(keys, -1)
  cache.append(keys, values)
  tf.dispose([keys, values])
}
/** Of each row, the tokens held and their positions. */
const heldOf = (cache: HeldCache): number[][][] =>
  cache.held.flatMap(entries => {
    const keys = entries.keys.arraySync() as number[][][]
    return positionsOf(entries).map((list, row) => [keys[row].map(([token]) => token), [...list]])
  })

describe('heldCache', () => {
  it('tells what was seen from what is held', () => {
    const cache = heldCache(FACTS)
    append(cache, 0, 1, 2, 3)
    cache.evict([Int32Array.of(0, 3), Int32Array.of(1, 2, 3)])
    append(cache, 4)
    expect([cache.seen, cache.next, cache.length]).toEqual([5, 5, 4])
    expect(heldOf(cache)).toEqual([[[0, 3, 4], [0, 3, 4]], [[1, 2, 3, 4], [1, 2, 3, 4]]]) // prettier-ignore
    cache.dispose()
  })

  it('numbers ragged rows anew so that all end alike', () => {
    const cache = heldCache(FACTS)
    append(cache, 0, 1, 2, 3)
    cache.evict([Int32Array.of(0, 3), Int32Array.of(1, 2, 3)])
    cache.compact(undefined)
    append(cache, 4)
    expect([cache.seen, cache.next]).toEqual([5, 4])
    expect(heldOf(cache)).toEqual([[[0, 3, 4], [1, 2, 3]], [[1, 2, 3, 4], [0, 1, 2, 3]]]) // prettier-ignore
    cache.dispose()
  })

  it('rewinds to what it was, and to nothing', () => {
    const cache = heldCache(FACTS)
    append(cache, 0, 1)
    append(cache, 2, 3)
    cache.rewind(2)
    expect([cache.seen, cache.next]).toEqual([2, 2])
    expect(heldOf(cache)).toEqual([[[0, 1], [0, 1]], [[0, 1], [0, 1]]]) // prettier-ignore
    cache.rewind(0)
    expect([cache.seen, cache.next, cache.length]).toEqual([0, 0, 0])
    append(cache, 7)
    expect(heldOf(cache)).toEqual([[[7], [0]], [[7], [0]]]) // prettier-ignore
    cache.dispose()
  })

  it('forks into a cache that goes its own way', () => {
    const cache = heldCache(FACTS)
    append(cache, 0, 1)
    const other = cache.fork()
    append(cache, 2)
    append(other, 9, 8)
    cache.dispose()
    expect(heldOf(other)).toEqual([[[0, 1, 9, 8], [0, 1, 2, 3]], [[0, 1, 9, 8], [0, 1, 2, 3]]]) // prettier-ignore
    other.dispose()
  })

  it('counts on while its entries are held in another form', () => {
    const cache = heldCache(FACTS)
    append(cache, 0, 1)
    const given = cache.giveAway()
    cache.advance()
    expect([cache.seen, cache.next, cache.length, cache.held.length]).toEqual([3, 3, 3, 0])
    cache.replace(given)
    expect([cache.seen, cache.length]).toEqual([3, 2])
    cache.dispose()
  })
})
