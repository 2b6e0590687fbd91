import '@tensorflow/tfjs-backend-cpu'
import { eControl } from './e-control.js'
import { ef21 } from './ef21.js'
import { errorFeedback } from './error-feedback.js'
import { COLUMNS, distanceOnQuadratics, exchangeByHand, largestDifference, matrix, ROWS, sumOf } from './exchange.fixture.js'
import { plain } from './plain.js'
import { qsgd } from './qsgd.js'
import { topK } from './top-k.js'

const codec = topK({ density: 0.1 })
const SHAPE = [ROWS, COLUMNS]

it('applies what all workers have told of their gradients: the sum of all changes', async () => {
  const gradients = [0, 1].map(worker => [0, 1, 2].map(step => matrix(10 * worker + step)))
  const { applied, states } = await exchangeByHand(peers => ef21(peers, { codec: codec }), gradients, SHAPE)
  const mean = sumOf(states.map(({ own }) => own)).map(value => value / 2)
  expect(largestDifference(applied[2], mean)).toBeLessThan(1e-6)
})

it('is the mean gradient where nothing is left out', async () => {
  const gradients = [[matrix(1)], [matrix(2)]]
  const { applied } = await exchangeByHand(peers => ef21(peers, { codec: plain() }), gradients, SHAPE)
  expect(
    largestDifference(
      applied[0],
      sumOf(gradients.flat()).map(value => value / 2),
    ),
  ).toBeLessThan(1e-6)
})

it('comes to rest at the optimum of workers that differ, where error feedback stays as far off as its step is long', async () => {
  const settings = { rate: 0.2, steps: 72 }
  const floor = await distanceOnQuadratics(peers => errorFeedback(peers, { codec: codec }), settings)
  const reached = await distanceOnQuadratics(peers => ef21(peers, { codec: codec }), settings)
  expect(floor).toBeGreaterThan(0.1)
  expect(reached).toBeLessThan(1e-2)
})

it('is e-control without control, step by step', async () => {
  const gradients = [0, 1].map(worker => [0, 1, 2].map(step => matrix(10 * worker + step)))
  const [a, b] = [await exchangeByHand(peers => ef21(peers, { codec: codec }), gradients, SHAPE), await exchangeByHand(peers => eControl(peers, { codec: codec, control: 0 }), gradients, SHAPE)] // prettier-ignore
  expect(b.applied).toEqual(a.applied)
})

it('refuses an unbiased codec', () => {
  // @ts-expect-error it needs one that is contractive
  expect(() => ef21({ rank: 0, size: 1 } as never, { codec: qsgd() })).toThrow('ef21 got qsgd(bits=4, block=512), which is unbiased.')
})
