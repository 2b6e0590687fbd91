import { describeCodec, roundTrip } from './codec-suite.fixture.js'
import { half } from './half.js'

describeCodec(half(), n => 2 * n)

it('rounds to 8 bits of significand: 1.00390625 lies between 1 and 1.0078125, and goes to the even one', async () => {
  expect([...(await roundTrip(half(), Float32Array.of(1.00390625, -3, 0)))]).toEqual([1, -3, 0])
})
