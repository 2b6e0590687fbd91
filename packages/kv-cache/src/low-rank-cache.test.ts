import '@tensorflow/tfjs-backend-cpu'
import { describeEncoding } from '@tersor/testing'
import { lowRankCache } from './low-rank-cache.js'
import { encodedBy } from './view.fixture.js'

// 32 of 40 entries of 2 heads: halves of a rank for 32 entries and 8 channels, the positions of both layers' keys, and four frequencies
const bytesOf = (rank: number) => [32 * 4, 2 * 2 * rank * (32 + 8) * 2 + 4 * 4] as const
describeEncoding(() => lowRankCache({ keep: 0.5, recent: 8, block: 16 }), {
  ample: () => lowRankCache({ keep: 1, recent: 64 }),
  bytes: bytesOf(4),
  error: [0.35, 0.35],
})
// in npm test the one below shows as much
if (process.env.TERSOR_SLOW === '1')
  describeEncoding(() => lowRankCache({ keep: 1, recent: 8, block: 32 }), {
    ample: () => lowRankCache({ keep: 1, recent: 64 }),
    bytes: bytesOf(8),
    error: [2e-3, 2e-3],
  })

it('is exact to rounding at full rank', async () => {
  const x = Array.from({ length: 32 * 8 }, (_, i) => Math.sin(i * i))
  const [{ keys, values }] = await encodedBy(lowRankCache({ keep: 1 }), x, 8)
  const far = (got: readonly number[]): number => Math.hypot(...x.map((value, i) => value - got[i])) / Math.hypot(...x)
  expect(far(keys)).toBeLessThan(2e-3)
  expect(far(values)).toBeLessThan(2e-3)
})

it('keeps directions that all entries share', async () => {
  const x = Array.from(
    { length: 20 * 8 },
    (_, at) => Math.sin(Math.floor(at / 8)) * Math.cos(at % 8) + Math.cos(3 * Math.floor(at / 8)) * (at % 2),
  )
  const [{ keys }] = await encodedBy(lowRankCache({ keep: 0.25 }), x, 8)
  keys.forEach((value, i) => expect(Math.abs(value - x[i])).toBeLessThan(5e-3))
})

it('needs to know how much', () =>
  expect(() => lowRankCache({} as { keep: number })).toThrow('low-rank-cache encoding needs the option "keep".\nPass keep: 0 to 1'))
