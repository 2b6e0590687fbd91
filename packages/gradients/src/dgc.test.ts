import '@tensorflow/tfjs-backend-cpu'
import { nesterov, sgd } from '@tersor/core'
import { densityAt, dgc } from './dgc.js'
import { COLUMNS, exchangeByHand, largestDifference, ROWS } from './exchange.fixture.js'

const SHAPE = [ROWS, COLUMNS]
const N = ROWS * COLUMNS
/** One number that is always sent, and one that waits. */
const gradient = Float32Array.from({ length: N }, (_, i) => [100, 1][i] ?? 0)

it('sums up momentum of what waits: 1, 2.9, 5.61 of gradients of 1', async () => {
  const { applied, states } = await exchangeByHand(peers => dgc(peers, { density: 1 / N }), [[gradient, gradient, gradient]], SHAPE)
  expect(applied.map(([first]) => first)).toEqual([100, 100, 100]) // forgotten where it was sent
  expect(applied.map(values => values[1])).toEqual([0, 0, 0])
  expect(states[0].waiting[1]).toBeCloseTo(5.61, 5)
  expect(states[0].velocity[1]).toBeCloseTo(2.71, 5)
  expect([states[0].waiting[0], states[0].velocity[0]]).toEqual([0, 0])
})

it('sends, all at once, what plain momentum would have moved', async () => {
  const steps = 4
  const { applied, states } = await exchangeByHand(
    peers => dgc(peers, { density: 1 / N, momentum: 0.5 }),
    [Array.from({ length: steps }, () => gradient)],
    SHAPE,
  )
  let [velocity, moved] = [0, 0]
  for (let i = 0; i < steps; i++) moved += velocity = 0.5 * velocity + 1
  expect(states[0].waiting[1] + applied.reduce((sum, values) => sum + values[1], 0)).toBeCloseTo(moved, 5)
})

it('sends 25, 6.3, 1.6 and 0.4 % on the way to 0.1 %', () => {
  const percents = [0, 25, 50, 75, 100].map(step => 100 * densityAt(step, 0.001, 100))
  for (const [i, expected] of [25.1, 6.31, 1.58, 0.398, 0.1].entries()) expect(percents[i]).toBeCloseTo(expected, 1)
})

it('averages over workers, clips each before it sums up, and counts 8 k bytes to each other worker', async () => {
  const { applied, traffic } = await exchangeByHand(peers => dgc(peers, { density: 1 / N, clip: 2 }), [[gradient], [gradient]], SHAPE, 1)
  expect(applied[0][0]).toBeCloseTo((2 / Math.SQRT2) * (100 / Math.hypot(100, 1)), 5)
  expect(traffic).toEqual([8 + 16, 8 + 16])
})

it('is momentum over the mean for small tensors', async () => {
  const one = Float32Array.of(1)
  const { applied } = await exchangeByHand(
    peers => dgc(peers),
    [
      [one, one],
      [one, one],
    ],
    [1],
  )
  expect(largestDifference(applied.map(([value]) => value), [1, 1.9])).toBeLessThan(1e-6) // prettier-ignore
})

it('refuses a transform that counts momentum twice, and options that are none', () => {
  const peers = { rank: 0, size: 1 } as never
  const check = dgc(peers).check!
  expect(() => check([], nesterov({ learningRate: 1 }))).toThrow(
    'dgc has momentum of its own, and nesterov would count it twice.\nTrain with sgd',
  )
  expect(() => check([], sgd({ learningRate: 1 }))).not.toThrow()
  for (const options of [{ density: 2 }, { momentum: 1 }, { warmup: 0.5 }, { clip: 0 }])
    expect(() => dgc(peers, options)).toThrow(`dgc got ${Object.keys(options)[0]} = ${Object.values(options)[0]}.\nPass `)
  expect(() => dgc(peers, { density: 0 })).toThrow('dgc: a density of 0 leaves nothing.\nPass a part above 0, such as 0.001.')
})
