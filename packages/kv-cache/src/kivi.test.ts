import '@tensorflow/tfjs-backend-cpu'
import { describeEncoding } from '@tersor/testing'
import { kivi } from './kivi.js'
import { encodedBy } from './view.fixture.js'

// 32 of 40 entries of 2 heads: a quarter of a byte a channel; keys: scale and minimum for 8 channels of 2 groups, values: for each entry
describeEncoding(() => kivi({ recent: 8, group: 16, block: 16 }), {
  ample: () => kivi({ recent: 64 }),
  bytes: [2 * 2 * 32 * 2, 2 * (2 * 8 + 32) * 4],
  error: [0.35, 0.3],
})

it('takes 2 + 32 / 32 bits an element in groups of 32', async () => {
  const [{ bytes }] = await encodedBy(
    kivi({ bits: 2, group: 32 }),
    Array.from({ length: 32 * 32 }, (_, i) => Math.sin(i)),
    32,
  )
  expect((8 * bytes) / (2 * 32 * 32)).toBe(3)
})

it('has a scale for each channel of keys, so that one that is large spoils no other', async () => {
  const x = [100, 0, 103, 1, 101, 0.4, 102, 0.6] // channels 100 … 103 and 0 … 1
  const [{ keys, values }] = await encodedBy(kivi({ bits: 2, group: 4, block: 4 }), x, 2)
  expect(keys).toEqual([100, 0, 103, 1, 101, 1 / 3, 102, 2 / 3].map(value => expect.closeTo(value, 1)))
  expect(values[5]).toBeCloseTo(0.4, 1)
})

it.each([31, 32, 33, 63, 64, 65])('gives blocks of 32 away beyond the newest 32: %i', entries => {
  const { recent, block } = kivi().exact
  expect(Math.floor(Math.max(0, entries - recent) / block) * block).toBe(entries < 64 ? 0 : 32)
})

it('refuses blocks that hold no whole groups', () =>
  expect(() => kivi({ group: 32, block: 48 })).toThrow(
    'kivi: blocks of 48 entries are no multiple of the 32 that share a scale.\nPass block: 64.',
  ))
