import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describePolicy } from '@tersor/testing'
import { adaptive } from './adaptive.js'
import { h2o } from './h2o.js'
import { pyramid } from './pyramid.js'
import { snapKv } from './snap-kv.js'
import { keptBy } from './view.fixture.js'

describePolicy(() => adaptive({ policy: snapKv({ keep: 16, recent: 4 }) }), {
  ample: () => adaptive({ policy: snapKv({ keep: 64 }) }),
  most: 16,
})
describePolicy(() => adaptive({ policy: h2o({ keep: 12, every: 4 }) }), {
  ample: () => adaptive({ policy: h2o({ keep: 64, every: 4 }) }),
  most: 12,
})

it('gives a head with more to remember more, and the others their floor', async () => {
  const row = [0.3, 0.3, 0.2, 0.2, 0, 0, 0, 0]
  const flat = [0.02, 0.03, 0, 0, 0, 0, 0, 0]
  const lastShares = tf.tensor4d([...row, ...flat], [2, 1, 1, 8])
  const policy = adaptive({ policy: snapKv({ keep: 3, recent: 1, pool: 1 }), floor: 0.5 })
  // each head: the newest, and one of its two others for sure; the two left go to 0.3 and 0.2 of the first
  expect(await keptBy(policy, { entries: 8, rows: 2, features: { lastShares } })).toEqual([
    [0, 1, 2, 7],
    [1, 7],
  ])
})

it('stands on a pyramid', () => {
  const policy = adaptive({ policy: pyramid({ policy: snapKv({ keep: 64 }) }) })
  expect(policy).toMatchObject({ name: 'adaptive', options: { floor: 0.2, policy: { name: 'pyramid' } } })
  expect(() => adaptive({ policy: snapKv({ keep: 64 }), floor: 1 })).toThrow('adaptive policy got floor = 1.')
})
