import '@tensorflow/tfjs-backend-cpu'
import { describeEncoding } from '@tersor/testing'
import { int4 } from './int4.js'
import { encodedBy } from './view.fixture.js'

// 32 of 40 entries of 2 heads, keys and values: half a byte a channel; a scale and a minimum for each half of an entry
describeEncoding(() => int4({ recent: 8, group: 4 }), {
  ample: () => int4({ recent: 64 }),
  bytes: [2 * 2 * 32 * 4, 2 * 2 * 32 * 2 * 4],
  error: [0.06, 0.06],
})
describeEncoding(() => int4({ recent: 5, block: 8, along: 'channel' }), {
  ample: () => int4({ recent: 64, along: 'channel' }),
  bytes: [2 * 2 * 32 * 4, 2 * 2 * 4 * 8 * 4],
  error: [0.1, 0.1],
})

it('counts from the minimum of a group in fifteenths of its range', async () => {
  const [{ keys }] = await encodedBy(int4({ group: 2 }), [1, 16, -3, -2.45], 4)
  expect(keys).toEqual([1, 16, -3, -2.45].map(value => expect.closeTo(value, 2)))
  const [all] = await encodedBy(int4({ group: 4 }), [0, 15, 4.4, 7.6], 4)
  expect(all.keys).toEqual([0, 15, 4, 8].map(value => expect.closeTo(value, 2)))
})
