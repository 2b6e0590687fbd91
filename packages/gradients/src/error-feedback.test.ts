import '@tensorflow/tfjs-backend-cpu'
import { errorFeedback } from './error-feedback.js'
import { COLUMNS, exchangeByHand, largestDifference, matrix, ROWS, sumOf } from './exchange.fixture.js'
import { half } from './half.js'
import { qsgd } from './qsgd.js'
import { randomK } from './random-k.js'
import { sign } from './sign.js'
import { topK } from './top-k.js'

const SHAPE = [ROWS, COLUMNS]
const CODECS = { 'top-k': topK({ density: 0.01 }), 'random-k': randomK({ density: 0.05 }), sign: sign(), half: half() }

it.each(Object.keys(CODECS) as (keyof typeof CODECS)[])('loses nothing: what %s sent and what it kept are all gradients', async name => {
  const gradients = [0, 1, 2].map(worker => [0, 1, 2, 3].map(step => matrix(10 * worker + step)))
  const { applied, states } = await exchangeByHand(peers => errorFeedback(peers, { codec: CODECS[name] }), gradients, SHAPE)
  const sent = sumOf(applied).map(value => 3 * value)
  const kept = sumOf(states.map(({ error }) => error))
  expect(largestDifference(sumOf([sent, kept]), sumOf(gradients.flat()))).toBeLessThan(2e-5)
})

it('sends what was left out before: (3, 1) twice by top-1 gives (3, 0), then (3, 0) with (0, 2) kept', async () => {
  const gradient = new Float32Array(ROWS * COLUMNS)
  gradient.set([3, 1])
  const { applied, states } = await exchangeByHand(
    peers => errorFeedback(peers, { codec: topK({ density: 1 / (ROWS * COLUMNS) }) }),
    [[gradient, gradient]],
    SHAPE,
  )
  expect(applied.map(values => [...values.subarray(0, 2)])).toEqual([[3, 0], [3, 0]]) // prettier-ignore
  expect([...states[0].error.subarray(0, 2)]).toEqual([0, 2])
})

it('counts what its formula says: 8 k bytes to each other worker, and as much for greeting as words take', async () => {
  const gradients = [0, 1, 2].map(worker => [matrix(worker)])
  const { traffic } = await exchangeByHand(peers => errorFeedback(peers, { codec: topK({ density: 0.01 }) }), gradients, SHAPE, 1)
  expect(traffic).toEqual([0, 1, 2].map(() => 2 * (8 * 16 + 16))) // 16 of 1,600 numbers, and loss and flag
})

it('refuses an unbiased codec, in words and in types', async () => {
  const peers = { rank: 0, size: 1 } as never
  // @ts-expect-error an unbiased codec has no error that gets smaller
  expect(() => errorFeedback(peers, { codec: qsgd() })).toThrow(
    'error-feedback got qsgd(bits=4, block=512), which is unbiased.\nGive it a codec that is exact or contractive: plain, half, top-k, random-k, sign.',
  )
})
