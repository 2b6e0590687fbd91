import { describeCodec, roundTrip } from './codec-suite.fixture.js'
import { ternGrad } from './tern-grad.js'

describeCodec(ternGrad(), n => Math.ceil(n / 4) + 4)

it('sends the largest magnitude always, and half of it every second time', async () => {
  let count = 0
  for (let seed = 0; seed < 2000; seed++) {
    const [a, b] = await roundTrip(ternGrad(), Float32Array.of(-4, 2), [2], seed)
    expect(a).toBe(-4)
    if (b === 4) count++
  }
  expect(Math.abs(count / 2000 - 0.5)).toBeLessThan(0.05)
})
