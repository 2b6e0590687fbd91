import '@tensorflow/tfjs-backend-cpu'
import { describeEncoding } from '@tersor/testing'
import { int8 } from './int8.js'
import { encodedBy } from './view.fixture.js'

// 32 of 40 entries: 16 at a time beyond the newest; 2 heads of 8 channels, keys and values; a half for each entry
describeEncoding(() => int8({}), { ample: () => int8({ recent: 64 }), bytes: [2 * 2 * 32 * 8, 2 * 2 * 32 * 2], error: [0.01, 0.01] })
// a half for each channel of a block
describeEncoding(() => int8({ along: 'channel' }), {
  ample: () => int8({ recent: 64, along: 'channel' }),
  bytes: [2 * 2 * 32 * 8, 2 * 2 * 2 * 8 * 2],
  error: [0.01, 0.01],
})

it('has a scale of a 127th of the largest of an entry', async () => {
  const [{ keys }] = await encodedBy(int8(), [12.7, 0.34, -5, 0], 4)
  expect(keys).toEqual([12.7, 0.3, -5, 0].map(value => expect.closeTo(value, 2))) // 0.34 / 0.1 → 3
})

it('refuses an exact window of nothing', () => expect(() => int8({ recent: 0 })).toThrow('int8 encoding got recent = 0.'))
