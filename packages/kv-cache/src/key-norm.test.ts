import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describePolicy } from '@tersor/testing'
import { keyNorm } from './key-norm.js'
import { keptBy } from './view.fixture.js'

describePolicy(() => keyNorm({ keep: 12 }), { ample: () => keyNorm({ keep: 64 }), most: 12 })

it('keeps short keys', async () => {
  const keys = tf.tensor3d([3, 4, 1, 0, 0, 2, 6, 8], [1, 4, 2]) // norms 5, 1, 2, 10
  expect(await keptBy(keyNorm({ keep: 2, recent: 0 }), { entries: 4, features: { keys } })).toEqual([[1, 2]])
  expect(await keptBy(keyNorm({ keep: 2 }), { entries: 4, features: { keys } })).toEqual([[1, 3]])
})

it('checks its options when it is made', () => expect(() => keyNorm({ keep: 4, sinks: -1 })).toThrow('key-norm policy got sinks = -1.'))
