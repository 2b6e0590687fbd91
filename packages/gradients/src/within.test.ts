import '@tensorflow/tfjs-backend-cpu'
import { createRng, type Exchange } from '@tersor/core'
import type { Collective } from './collective/collective.js'
import { together } from './collective/together.js'
import { errorFeedback } from './error-feedback.js'
import { COLUMNS, exchangeByHand, largestDifference, matrix, ROWS, sumOf } from './exchange.fixture.js'
import { exchanged } from './exchanged.js'
import { fedZip } from './fed-zip.js'
import { plain } from './plain.js'
import { topK } from './top-k.js'
import { unbiasedRandomK } from './unbiased-random-k.js'

const SHAPE = [ROWS, COLUMNS]
const N = ROWS * COLUMNS
const sleep = (milliseconds: number): Promise<void> => new Promise(resolve => setTimeout(resolve, milliseconds))

/** Three workers, of which the last is late in the second of three steps; what each applied, its state, and the losses. */
const withLate = (make: (peers: Collective) => Exchange, late = 2) =>
  together(3, async peers => {
    const exchange = make(peers)
    const state = exchange.init(SHAPE, { name: 'w' })
    const applied: Float32Array[] = []
    const losses: number[] = []
    for (const step of [1, 2, 3]) {
      if (peers.rank === late && step === 2) await sleep(150)
      if (peers.rank !== late && step === 3) await sleep(250) // the late one has caught up by then
      const [values, small] = [matrix(10 * peers.rank + step), Float32Array.of(peers.rank, step)]
      const gradients = [{ name: 'w', shape: SHAPE, values, state }, { name: 'b', shape: [2], values: small, state: {} }] // prettier-ignore
      losses.push((await exchange.run({ step, loss: peers.rank, gradients, rng: createRng(4).fork(`${step}`) })).loss)
      applied.push(Float32Array.of(...values, ...small))
    }
    return { applied, state, losses }
  })

it('leaves the gradient of a worker out that comes too late, and gives all the same mean of the others', async () => {
  const found = await withLate(peers => exchanged(peers, { codec: plain(), within: 50 }))
  for (const { applied } of found) expect(applied).toEqual(found[0].applied)
  const mean = (step: number, workers: readonly number[]) =>
    sumOf(workers.map(worker => matrix(10 * worker + step))).map(value => value / workers.length)
  expect(largestDifference(found[2].applied[0].subarray(0, N), mean(1, [0, 1, 2]))).toBeLessThan(1e-6)
  expect(largestDifference(found[2].applied[1].subarray(0, N), mean(2, [0, 1]))).toBeLessThan(1e-6)
  expect([...found[0].applied[1].subarray(N)]).toEqual([0.5, 2])
  expect(found[2].losses.slice(0, 2)).toEqual([1, 0.5])
})

it.each([
  ['top-k', topK({ density: 0.05 })],
  ['fed-zip', fedZip()],
] as const)('loses nothing of it with error feedback: %s', async (_name, codec) => {
  // prettier-ignore
  const found = await withLate(peers => errorFeedback(peers, { codec, within: 50 }))
  const [, second] = found[0].applied
  const alone = await exchangeByHand(peers => errorFeedback(peers, { codec }), [[matrix(1)], [matrix(11)], [matrix(21)]], SHAPE, 1)
  expect(largestDifference(found[0].applied[0].subarray(0, N), alone.applied[0])).toBeLessThan(1e-6)
  // what the late worker's gradients add up to is in its share of what all applied, or in its error
  const gradients = [0, 1, 2].map(worker => sumOf([1, 2, 3].map(step => matrix(10 * worker + step))))
  const errors = found.map(({ state }) => state.error)
  const applied = found[0].applied.map((values, step) => values.subarray(0, N).map(value => value * (step === 1 ? 2 : 3)))
  expect(largestDifference(sumOf([...applied, ...errors]), sumOf(gradients))).toBeLessThan(5e-5)
  expect(second.subarray(0, N).some(value => value !== 0)).toBe(true)
})

it('is the same exchange where nobody is late, and takes codecs that add', async () => {
  const gradients = [[matrix(1)], [matrix(2)]]
  for (const codec of [plain(), unbiasedRandomK({ density: 0.1 })]) {
    const [all, within] = [await exchangeByHand(peers => exchanged(peers, { codec }), gradients, SHAPE, 1), await exchangeByHand(peers => exchanged(peers, { codec, within: 1000 }), gradients, SHAPE, 1)] // prettier-ignore
    expect(largestDifference(all.applied[0], within.applied[0])).toBeLessThan(1e-5)
  }
})

it('tells all whose gradient is no number', async () => {
  const told: string[] = []
  const bad = matrix(1).fill(NaN, 3, 4)
  await together(2, async peers => {
    const exchange = exchanged(peers, { codec: plain(), within: 1000 })
    const gradients = [{ name: 'w', shape: SHAPE, values: peers.rank === 1 ? bad : matrix(2), state: {} }]
    await exchange.run({ step: 1, loss: 1, gradients, rng: createRng(4) }).catch((error: Error) => told.push(error.message))
  })
  expect(told).toEqual(Array.from({ length: 2 }, () => 'In step 2 the gradients are no numbers on worker 1.\nLower the learning rate, or look at the data of that worker.')) // prettier-ignore
})

it('refuses times that are none', () => {
  expect(() => exchanged({ rank: 0, size: 1 } as never, { codec: plain(), within: 0 })).toThrow(
    'exchanged got within = 0.\nPass an integer of at least 1',
  )
})
