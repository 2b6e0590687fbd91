import { describeCodec, roundTrip } from './codec-suite.fixture.js'
import { sign } from './sign.js'

describeCodec(sign(), n => Math.ceil(n / 8) + 4)

it('(3, -1) has the size 2, and 0 the sign +', async () => {
  expect([...(await roundTrip(sign(), Float32Array.of(3, -1)))]).toEqual([2, -2])
  expect([...(await roundTrip(sign(), Float32Array.of(0, -3)))]).toEqual([1.5, -1.5])
})

it.each([1, 7, 8, 9])('packs %d signs', async n => {
  const values = Float32Array.from({ length: n }, (_, i) => (i % 3 === 0 ? -1 : 1))
  expect([...(await roundTrip(sign(), values))]).toEqual([...values])
})
