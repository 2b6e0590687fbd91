import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { countsOf, knownFrequencies, momentsOf, sharesOf, sumsOfShares } from './features.js'
import type { AttentionFacts, Entries } from './layer-cache.js'

const FACTS: AttentionFacts = { heads: 1, keyHeads: 1, size: 2, scale: 1, positions: 'none' }
const entriesAt = (...positions: number[]): Entries => ({
  keys: tf.zeros([1, positions.length, 2]),
  values: tf.zeros([1, positions.length, 2]),
  positions: Int32Array.from(positions),
})
const queriesAt = (...positions: number[]) => ({
  values: tf.zeros<tf.Rank.R4>([1, 1, positions.length, 2]),
  positions: Int32Array.from(positions),
})

beforeEach(() => tf.engine().startScope())
afterEach(() => tf.engine().endScope())

describe('sharesOf', () => {
  it('is the softmax over what each query sees: ln 3 weighs three to one', () => {
    const entries = { ...entriesAt(0, 1, 2), keys: tf.tensor3d([Math.log(3), 0, 0, 0, 0, 0], [1, 3, 2]) }
    const queries = { values: tf.tensor4d([1, 0, 1, 0], [1, 1, 2, 2]), positions: Int32Array.of(1, 2) }
    const shares = sharesOf(queries, entries, FACTS).arraySync()[0][0]
    for (const [row, expected] of [[0.75, 0.25, 0], [0.6, 0.2, 0.2]].entries()) expected.forEach((share, i) => expect(shares[row][i]).toBeCloseTo(share, 6)) // prettier-ignore
  })

  it('keeps scores within a cap and a window: 2 tanh(4 / 2) against 0', () => {
    const entries = { ...entriesAt(0, 1, 2), keys: tf.tensor3d([9, 0, 4, 0, 0, 0], [1, 3, 2]) }
    const queries = { values: tf.tensor4d([1, 0], [1, 1, 1, 2]), positions: Int32Array.of(2) }
    const [none, first, second] = sharesOf(queries, entries, { ...FACTS, cap: 2, window: 2 }).dataSync()
    const weight = Math.exp(2 * Math.tanh(2))
    expect(none).toBe(0)
    expect(first).toBeCloseTo(weight / (weight + 1), 6)
    expect(second).toBeCloseTo(1 / (weight + 1), 6)
  })
})

describe('sumsOfShares and countsOf', () => {
  it('sums uniform shares of four tokens to 25/12, 13/12, 7/12, 1/4, seen by 4, 3, 2, 1 queries', async () => {
    const [queries, entries] = [queriesAt(0, 1, 2, 3), entriesAt(0, 1, 2, 3)]
    const sums = await sumsOfShares(queries, [0, 1], entries, FACTS)
    for (const [i, expected] of [25 / 12, 13 / 12, 7 / 12, 1 / 4].entries()) expect(sums[i]).toBeCloseTo(expected, 6)
    expect([...countsOf(queries.positions, entries, FACTS)]).toEqual([4, 3, 2, 1])
  })

  it('sums over more queries than are held at once as over all', async () => {
    const positions = Array.from({ length: 130 }, (_, i) => i)
    const entries = entriesAt(...positions)
    const sums = await sumsOfShares(queriesAt(...positions), [0, 1], entries, FACTS)
    expect(sums.reduce((sum, x) => sum + x)).toBeCloseTo(130, 3)
    expect(sums[129]).toBeCloseTo(1 / 130, 6)
  })

  it('counts within a window, and queries that came before an entry not at all', () => {
    expect([...countsOf(Int32Array.of(4, 5, 9), entriesAt(0, 3, 5, 8), { ...FACTS, window: 3 })]).toEqual([0, 2, 1, 1])
  })
})

describe('momentsOf', () => {
  it('turns queries back: (cos 2, sin 2) at position 2 and (cos 5, sin 5) at 5 were (1, 0) both', () => {
    const values = tf.tensor4d([Math.cos(2), Math.sin(2), Math.cos(5), Math.sin(5)], [1, 1, 2, 2])
    const facts: AttentionFacts = { ...FACTS, positions: 'rotated', frequencies: () => Float32Array.of(1) }
    const { mean, covariance } = momentsOf({ values, positions: Int32Array.of(2, 5) }, facts, 'A policy', t => t)
    for (const [i, expected] of [1, 0].entries()) expect(mean.dataSync()[i]).toBeCloseTo(expected, 6)
    for (const value of covariance.dataSync()) expect(value).toBeCloseTo(0, 6)
  })

  it('is the mean and the covariance about it: (1, 0) and (3, 4)', () => {
    const values = tf.tensor4d([1, 0, 3, 4], [1, 1, 2, 2])
    const { mean, covariance } = momentsOf({ values, positions: Int32Array.of(0, 1) }, FACTS, 'A policy', t => t)
    expect([...mean.dataSync()]).toEqual([2, 2])
    expect([...covariance.dataSync()]).toEqual([1, 2, 2, 4])
  })

  it('refuses a rotation that follows the length of the text', () => {
    expect(() => knownFrequencies({ ...FACTS, positions: 'rotated', frequencies: () => undefined }, 'A policy')).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        message: expect.stringContaining("this model's rotation follows the length of the text"),
      }),
    )
  })
})
