import { describeCodec, roundTrip } from './codec-suite.fixture.js'
import { ternGrad } from './tern-grad.js'

describeCodec(ternGrad(), n => Math.ceil(n / 4) + 4)

it('sends the largest magnitude always, and half of it every second time', async () => {
  let count = 0
  const largest = new Set<number>()
  for (let seed = 0; seed < 2000; seed++) {
    const [a, b] = await roundTrip(ternGrad(), Float32Array.of(-4, 2), [2], seed)
    largest.add(a)
    if (b === 4) count++
  }
  expect(largest).toEqual(new Set([-4]))
  expect(Math.abs(count / 2000 - 0.5)).toBeLessThan(0.05)
})
