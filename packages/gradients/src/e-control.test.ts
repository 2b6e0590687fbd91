import '@tensorflow/tfjs-backend-cpu'
import { eControl } from './e-control.js'
import { COLUMNS, distanceOnQuadratics, exchangeByHand, largestDifference, matrix, ROWS, sumOf } from './exchange.fixture.js'
import { plain } from './plain.js'
import { ternGrad } from './tern-grad.js'
import { topK } from './top-k.js'

const SHAPE = [ROWS, COLUMNS]

it('sends (3, 0), then (0, 1.1) of (3, 1) twice, by top-1 with control 0.1; 0.9 is left', async () => {
  const gradient = new Float32Array(ROWS * COLUMNS)
  gradient.set([3, 1])
  const codec = topK({ density: 1 / (ROWS * COLUMNS) })
  const { applied, states } = await exchangeByHand(peers => eControl(peers, { codec: codec, control: 0.1 }), [[gradient, gradient]], SHAPE)
  const [first, second] = applied.map(values => [...values.subarray(0, 2)])
  expect(first).toEqual([3, 0])
  expect(second[0]).toBe(3)
  expect(second[1]).toBeCloseTo(1.1, 6)
  expect(states[0].error[0]).toBe(0)
  expect(states[0].error[1]).toBeCloseTo(0.9, 6)
})

it('keeps e = Σ (g − h): what the mean lagged behind', async () => {
  const gradients = [[0, 1, 2, 3].map(step => matrix(step))]
  const { applied, states } = await exchangeByHand(
    peers => eControl(peers, { codec: topK({ density: 0.05 }), control: 0.02 }),
    gradients,
    SHAPE,
  )
  const lag = sumOf(gradients[0]).map((value, i) => value - sumOf(applied)[i])
  expect(largestDifference(states[0].error, lag)).toBeLessThan(1e-5)
})

it('is gradient descent where nothing is left out', async () => {
  const { applied, states } = await exchangeByHand(
    peers => eControl(peers, { codec: plain(), control: 0.5 }),
    [[matrix(1), matrix(2)]],
    SHAPE,
  )
  expect(largestDifference(applied[1], matrix(2))).toBeLessThan(1e-6)
  expect(largestDifference(states[0].error, new Float32Array(ROWS * COLUMNS))).toBeLessThan(1e-6)
})

it('comes to rest at the optimum of workers that differ', async () => {
  const codec = topK({ density: 0.3 })
  expect(await distanceOnQuadratics(peers => eControl(peers, { codec, control: 0.1 }), { rate: 0.2, steps: 70 })).toBeLessThan(0.05)
})

it('checks its control, and refuses an unbiased codec', () => {
  const peers = { rank: 0, size: 1 } as never
  expect(() => eControl(peers, { codec: topK({ density: 0.1 }), control: 2 })).toThrow('e-control got control = 2.\nPass 0 to 1')
  // @ts-expect-error it needs one that is contractive
  expect(() => eControl(peers, { codec: ternGrad(), control: 0.1 })).toThrow('e-control got tern-grad, which is unbiased.')
})
