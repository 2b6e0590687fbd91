import '@tensorflow/tfjs-backend-cpu'
import { createRng, type ExchangeStep } from '@tersor/core'
import { errorsByRank, resizeFactor } from './candidate-ranks.js'
import { together } from './collective/together.js'
import { COLUMNS, exchangeByHand, largestDifference, matrix, ROWS, sumOf } from './exchange.fixture.js'
import { errorFeedback } from './error-feedback.js'
import { lGreco } from './l-greco.js'
import { powerSgd } from './power-sgd.js'
import { qsgd } from './qsgd.js'
import { sign } from './sign.js'
import { topK } from './top-k.js'

const SHAPE = [ROWS, COLUMNS]
const N = ROWS * COLUMNS
const density = (k: number) => topK({ density: k / N })

/** Runs two layers through an exchange, step by step the same gradients; the bytes of each step behind the greeting, and the choices. */
const twoLayers = async (make: Parameters<typeof exchangeByHand>[0], layers: readonly Float32Array[], steps: number) => {
  const [found] = await together(2, async peers => {
    const exchange = make(peers)
    const states = layers.map((_, i) => exchange.init(SHAPE, { name: `w${i}` }))
    const bytes: number[] = []
    const applied = layers.map(() => new Float32Array(N))
    for (let i = 1; i <= steps; i++) {
      const before = peers.traffic.sent
      const gradients = layers.map((layer, j) => ({ name: `w${j}`, shape: SHAPE, values: layer.slice(), state: states[j] }))
      const step: ExchangeStep = { step: i, loss: 1, gradients, rng: createRng(4).fork(`${i}`) }
      await exchange.run(step)
      gradients.forEach(({ values }, j) => values.forEach((value, at) => (applied[j][at] += value)))
      bytes.push(peers.traffic.sent - before - 16) // without loss and flag
    }
    return { bytes, states, applied }
  })
  return found
}

/** One layer of two large numbers, and one of eight equal ones: top-2 leaves nothing of the first, and 6 of the second. */
const [SHARP, FLAT] = [[5, 5], [1, 1, 1, 1, 1, 1, 1, 1]].map(values => Float32Array.from({ length: N }, (_, i) => values[i] ?? 0)) // prettier-ignore

it('chooses what is worked by hand: of 2 or 4 uniform, 1 of no use, 2 of the sharp layer where 4 are too many', async () => {
  // uniform top-4: errors 0 and 4. Of 1, 2, 4: the sharp layer has 25, 0, 0, the flat one 7, 6, 4: top-2 and top-4 are within 4, in 6 of 8 places
  const make = (peers: Parameters<typeof lGreco>[0]) =>
    lGreco(peers, { codec: density(4), codecs: [density(1), density(2)], start: 0, first: 2, every: 10 })
  const { bytes, states } = await twoLayers(make, [SHARP, FLAT], 3)
  expect(bytes).toEqual([64, 50, 48]) // 8 each of 4 + 4; of 2 + 4, and two bytes of choices
  expect(states.map(({ choice }) => choice[0])).toEqual([2, 0])
  expect(states[0].gathered[0]).toBe(5) // that of the step behind the choice
})

it('keeps the uniform codec where nothing is smaller at its error', async () => {
  const { bytes } = await twoLayers(
    peers => lGreco(peers, { codec: density(4), codecs: [density(1)], start: 0, first: 1 }),
    [FLAT, FLAT],
    1,
  )
  expect(bytes).toEqual([64 + 2])
})

it('is error feedback with the uniform codec until it chooses, and loses nothing behind it', async () => {
  const gradients = [0, 1].map(worker => [0, 1, 2, 3].map(step => matrix(10 * worker + step)))
  const options = { codec: topK({ density: 0.05 }), codecs: [topK({ density: 0.01 }), topK({ density: 0.2 })], start: 0 }
  const until = await exchangeByHand(peers => lGreco(peers, { ...options, first: 9 }), gradients, SHAPE)
  expect(until.applied).toEqual((await exchangeByHand(peers => errorFeedback(peers, { codec: options.codec }), gradients, SHAPE)).applied)
  const { applied, states } = await exchangeByHand(peers => lGreco(peers, { ...options, first: 1, every: 1 }), gradients, SHAPE)
  const [sent, kept] = [sumOf(applied).map(value => 2 * value), sumOf(states.map(({ error }) => error))]
  expect(largestDifference(sumOf([sent, kept]), sumOf(gradients.flat()))).toBeLessThan(2e-5)
})

it('gives a matrix of rank 1 one column where four are uniform, and leaves nothing of it', async () => {
  const one = Float32Array.from({ length: N }, (_, i) => (((i % COLUMNS) + 1) * (Math.floor(i / COLUMNS) - 3)) / 400)
  const { bytes, states, applied } = await twoLayers(peers => lGreco(peers, { rank: 4, ranks: [1, 2, 3, 5, 6], start: 0, first: 2 }), [one, matrix(3)], 4) // prettier-ignore
  expect(states.map(({ choice }) => choice[0])).toEqual([1, 0])
  expect(bytes).toEqual([8 * 4 * 80, 5 * 4 * 80 + 2, 5 * 4 * 80, 5 * 4 * 80]) // columns · 4 bytes · (rows + columns), around a ring of two
  expect(largestDifference(applied[0], one.map(value => 4 * value))).toBeLessThan(0.05) // prettier-ignore
})

it('is PowerSGD with the uniform rank until it chooses', async () => {
  const gradients = [0, 1].map(worker => [0, 1, 2].map(step => matrix(10 * worker + step)))
  const [a, b] = [await exchangeByHand(peers => lGreco(peers, { rank: 2, ranks: [1], start: 1 }), gradients, SHAPE), await exchangeByHand(peers => powerSgd(peers, { rank: 2, start: 1 }), gradients, SHAPE)] // prettier-ignore
  expect(a.applied).toEqual(b.applied)
})

it('measures what is left of diag(3, 2, 1) by rank: 14, 5, 1, 0', () => {
  const errors = errorsByRank(Float32Array.of(3, 0, 0, 0, 2, 0, 0, 0, 1), 3, 3, 3, createRng(1))
  for (const [rank, expected] of [14, 5, 1, 0].entries()) expect(Math.abs(errors[rank] - expected)).toBeLessThan(0.1)
})

it('keeps columns of a factor that gains or loses some: (1, 2; 3, 4) as (1; 3)', () => {
  const factor = Float32Array.of(1, 2, 3, 4)
  resizeFactor(factor, 2, 2, 1, createRng(1))
  expect([...factor.subarray(0, 2)]).toEqual([1, 3])
  resizeFactor(factor, 2, 1, 2, createRng(1))
  expect([factor[0], factor[2]]).toEqual([1, 3])
})

it('refuses neither and both, ranks that are none, and codecs of both kinds', () => {
  const peers = { rank: 0, size: 1 } as never
  const [codec, codecs] = [topK({ density: 0.1 }), [sign()]]
  for (const options of [{}, { codec }, { codec, codecs, rank: 1, ranks: [2] }, { codec, ranks: [1] }])
    expect(() => lGreco(peers, options)).toThrow('l-greco: it chooses codecs or ranks, and got neither or both.\nPass codec and codecs')
  expect(() => lGreco(peers, { rank: 4, ranks: [1.5] })).toThrow('l-greco: a rank of 1.5 is none.\nPass integers of at least 1.')
  expect(() => lGreco(peers, { rank: 4, ranks: Array.from({ length: 300 }, () => 1) })).toThrow('300 candidates are too many.\nPass fewer')
  expect(() => lGreco(peers, { codec: qsgd(), codecs })).toThrow('l-greco got sign, which is contractive, beside qsgd, which is unbiased.')
  expect(lGreco(peers, { codec: qsgd(), codecs: [qsgd({ bits: 2 })] }).name).toContain('codecs=[qsgd(bits=2, block=512)]')
})
