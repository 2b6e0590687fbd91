import { describeCodec, gradientOf, roundTrip } from './codec-suite.fixture.js'
import { randomK } from './random-k.js'

describeCodec(randomK({ density: 0.25 }), n => 4 * Math.max(1, Math.round(n / 4)))

it('sends other places in other steps, each as often as the others', async () => {
  const counts = new Float64Array(10)
  for (let seed = 0; seed < 500; seed++)
    (await roundTrip(randomK({ density: 0.3 }), gradientOf(10), [10], seed)).forEach((value, i) => (counts[i] += value === 0 ? 0 : 1))
  expect(counts.reduce((sum, count) => sum + count)).toBe(1500)
  for (const count of counts) expect(Math.abs(count - 150)).toBeLessThan(5 * Math.sqrt(500 * 0.3 * 0.7))
})

it('refuses a density that leaves nothing', () => {
  expect(() => randomK({ density: 0 })).toThrow('random-k: a density of 0 leaves nothing.')
})
