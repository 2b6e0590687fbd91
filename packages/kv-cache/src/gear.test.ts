import '@tensorflow/tfjs-backend-cpu'
import { describeEncoding } from '@tersor/testing'
import { gear } from './gear.js'
import { kivi } from './kivi.js'
import { encodedBy } from './view.fixture.js'

// 32 of 40 entries of 2 heads, 2 bits: codes as KIVI's, and of 2 · 32 and 2 · 8 · 1 extremes the places; scales and minimums of 2 · 8 and 32
// tiles, factors of rank 2 for 32 entries and 8 channels, twice, and as many halves as places
const extremes = (down: number, along: number) => 2 * (8 * down + 32 * along)
describeEncoding(() => gear({ recent: 8, group: 16, block: 16, rank: 2, outliers: 0.25 }), {
  ample: () => gear({ recent: 64 }),
  bytes: [2 * 2 * 32 * 2 + extremes(8, 2), 2 * (2 * 8 + 32) * 4 + 2 * 2 * 2 * 2 * (32 + 8) + 2 * extremes(8, 2)],
  error: [0.2, 0.2],
})
describeEncoding(() => gear({ recent: 8, group: 16, block: 16, rank: 2, outliers: 0 }), {
  ample: () => gear({ recent: 64, outliers: 0 }),
  bytes: [2 * 2 * 32 * 2, 2 * (2 * 8 + 32) * 4 + 2 * 2 * 2 * 2 * (32 + 8)],
  error: [0.25, 0.25],
})

const far = (got: readonly number[], wanted: readonly number[]): number => Math.hypot(...wanted.map((value, i) => value - got[i]))
const noisy = Array.from({ length: 128 * 32 }, (_, at) => {
  const [line, column] = [Math.floor(at / 32), at % 32]
  return Math.sin(line) * Math.cos(column) + Math.cos(0.3 * line) * Math.sin(2 * column) + 0.3 * Math.sin(at * at)
})
const how = { bits: 2, group: 64, block: 64 }

it('is nearer than codes alone, and nearer still with outliers', async () => {
  const [plain] = await encodedBy(kivi(how), noisy, 32)
  const [low] = await encodedBy(gear({ ...how, outliers: 0 }), noisy, 32)
  const [whole] = await encodedBy(gear({ ...how, outliers: 0.1 }), noisy, 32)
  expect(far(low.keys, noisy)).toBeLessThan(0.9 * far(plain.keys, noisy))
  expect(far(whole.keys, noisy)).toBeLessThan(far(low.keys, noisy))
  expect(far(whole.values, noisy)).toBeLessThan(far(plain.values, noisy))
})

it('is exact to rounding at full rank', async () => {
  const [{ keys, values }] = await encodedBy(gear({ ...how, rank: 32, outliers: 0 }), noisy, 32)
  expect(far(keys, noisy) / Math.hypot(...noisy)).toBeLessThan(1e-3)
  expect(far(values, noisy) / Math.hypot(...noisy)).toBeLessThan(1e-3)
})

it('has outliers as they are', async () => {
  const x = noisy.map((value, at) => (at === 5 * 32 + 7 ? 50 : value))
  const [{ keys, values }] = await encodedBy(gear({ ...how, outliers: 0.1 }), x, 32)
  expect(keys[5 * 32 + 7]).toBeCloseTo(50, 0)
  expect(values[5 * 32 + 7]).toBeCloseTo(50, 0)
  expect(far(keys, x)).toBeLessThan(1.2 * far((await encodedBy(gear({ ...how, outliers: 0.1 }), noisy, 32))[0].keys, noisy))
})

it('takes 2.5 bits, 1.125 for factors of 512 entries of 64 channels, and what outliers take', async () => {
  const x = Array.from({ length: 512 * 64 }, (_, i) => Math.sin(i))
  const bitsOf = async (outliers: number) => (8 * (await encodedBy(gear({ ...how, outliers }), x, 64))[0].bytes) / (2 * x.length)
  expect(await bitsOf(0)).toBe(3.625)
  // 10 of 512 entries with places of 2 bytes, 2 of 64 channels, one at either end, with places of one
  expect((await bitsOf(0.02)) - 3.625).toBeCloseTo(((10 / 512) * 32 + (2 / 64) * 24) / 2, 6)
})
