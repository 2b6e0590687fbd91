import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describePolicy } from '@tersor/testing'
import { tova } from './tova.js'
import { keptBy } from './view.fixture.js'

describePolicy(() => tova({ keep: 12, every: 1 }), { ample: () => tova({ keep: 64, every: 1 }), most: 12 })

it('keeps what the last query looks at, by the mean of the heads that share a key, and the last entry', async () => {
  const lastShares = tf.tensor4d([0.5, 0.1, 0.3, 0.1, 0.1, 0.1, 0.7, 0.1], [1, 2, 1, 4]) // means 0.3, 0.1, 0.5, 0.1
  expect(await keptBy(tova({ keep: 2 }), { entries: 4, features: { lastShares } })).toEqual([[2, 3]])
  expect(await keptBy(tova({ keep: 3 }), { entries: 4, features: { lastShares } })).toEqual([[0, 2, 3]])
})

it('checks its options when it is made', () => expect(() => tova({ keep: -1 })).toThrow('tova policy got keep = -1.'))
