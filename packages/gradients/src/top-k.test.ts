import { describeCodec, roundTrip } from './codec-suite.fixture.js'
import { topK } from './top-k.js'

describeCodec(topK({ density: 0.25 }), n => 8 * Math.max(1, Math.round(n / 4)))

it('keeps the largest magnitudes, of equals the first', async () => {
  expect([...(await roundTrip(topK({ density: 0.4 }), Float32Array.of(1, -5, 2, -2, 2)))]).toEqual([0, -5, 2, 0, 0])
})

it('keeps everything at density 1, and one number at least', async () => {
  expect([...(await roundTrip(topK({ density: 1 }), Float32Array.of(3, 0, -1)))]).toEqual([3, 0, -1])
  expect([...(await roundTrip(topK({ density: 0.001 }), Float32Array.of(3, 0, -4)))]).toEqual([0, 0, -4])
})

it('refuses a density that leaves nothing', () => {
  expect(() => topK({ density: 0 })).toThrow('top-k: a density of 0 leaves nothing.\nPass a part above 0, such as 0.01.')
  expect(() => topK({ density: 2 })).toThrow('top-k codec got density = 2.\nPass 0 to 1')
})
