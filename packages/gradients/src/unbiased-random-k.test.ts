import { describeCodec, roundTrip } from './codec-suite.fixture.js'
import { unbiasedRandomK } from './unbiased-random-k.js'

describeCodec(unbiasedRandomK({ density: 0.25 }), n => 4 * Math.max(1, Math.round(n / 4)))

it('multiplies by n / k', async () => {
  const sent = [...(await roundTrip(unbiasedRandomK({ density: 0.25 }), Float32Array.of(1, 1, 1, 1)))]
  expect(sent.sort()).toEqual([0, 0, 0, 4])
})
