import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describePolicy } from '@tersor/testing'
import { snapKv } from './snap-kv.js'
import { keptBy } from './view.fixture.js'

describePolicy(() => snapKv({ keep: 16, recent: 8 }), { ample: () => snapKv({ keep: 64 }), most: 16 })
describePolicy(() => snapKv({ keep: 0.5, recent: 4, every: 8 }), { ample: () => snapKv({ keep: 1, every: 8 }), most: 20 })

it('keeps a planted entry, its neighbours and the window', async () => {
  const row = [0, 0, 0, 0, 0.9, 0, 0, 0, 0, 0.1]
  const lastShares = tf.tensor4d([...row, ...row], [1, 1, 2, 10])
  expect(await keptBy(snapKv({ keep: 5, recent: 2, pool: 3 }), { entries: 10, features: { lastShares } })).toEqual([[3, 4, 5, 8, 9]])
})

it('does not let the window reach into what lies before it', async () => {
  // entry 5 is the first of the window: it would lift entries 3 and 4 if it were pooled with them; entry 0 is looked at a little
  const row = [0.01, 0, 0, 0, 0, 0.99]
  const lastShares = tf.tensor4d(row, [1, 1, 1, 6])
  expect(await keptBy(snapKv({ keep: 2, recent: 1 }), { entries: 6, features: { lastShares } })).toEqual([[0, 5]])
})

it('refuses a budget below its window', () => {
  expect(() => snapKv({ keep: 16 })).toThrow('snap-kv: a budget of 16 entries is below the 0 sinks and 32 recent ones that always stay.')
})
