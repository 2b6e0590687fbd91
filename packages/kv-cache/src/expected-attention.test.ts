import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describePolicy } from '@tersor/testing'
import { expectedAttention } from './expected-attention.js'
import { keptBy } from './view.fixture.js'

describePolicy(() => expectedAttention({ keep: 12 }), { ample: () => expectedAttention({ keep: 64 }), most: 12 })

const normal = { mean: tf.zeros([1, 1, 4]), covariance: tf.reshape(tf.eye(4), [1, 1, 4, 4]) }
const attention = { size: 4, scale: 0.5 }

it('expects e^(kΣk/2d) of normal queries', async () => {
  // k = (2, 0, 0, 0): e^½ = 1.6487; k = 0: 1. Values of length 1 and 1.7 turn the order: 1.6487 / 2.6487 < 1.7 / 2.6487
  const keys = tf.tensor3d([2, 0, 0, 0, 0, 0, 0, 0], [1, 2, 4])
  const features = { keys, values: tf.tensor3d([1, 0, 0, 0, 1.7, 0, 0, 0], [1, 2, 4]), queryMoments: normal }
  const options = { keep: 0.5, sinks: 0, recent: 0 }
  const layer = { index: 0, of: 1, attention }
  expect(await keptBy(expectedAttention({ ...options, values: false }), { entries: 2, features, layer })).toEqual([[0]])
  expect(await keptBy(expectedAttention(options), { entries: 2, features, layer })).toEqual([[1]])
  const shorter = { ...features, values: tf.tensor3d([1, 0, 0, 0, 1.6, 0, 0, 0], [1, 2, 4]) }
  expect(await keptBy(expectedAttention(options), { entries: 2, features: shorter, layer })).toEqual([[0]])
})

it('turns the mean by the positions to come', async () => {
  // one pair at frequency π/2: behind 3 entries, the next position turns (1, 0) by 3π/2 to (0, −1)
  const moments = { mean: tf.tensor3d([1, 0], [1, 1, 2]), covariance: tf.zeros([1, 1, 2, 2]) }
  const keys = tf.tensor3d([1, 0, 0, 1, 0, -1], [1, 3, 2])
  const layer = { index: 0, of: 1, attention: { positions: 'rotated' as const, frequencies: () => Float32Array.of(Math.PI / 2) } }
  const features = { keys, queryMoments: moments }
  const policy = expectedAttention({ keep: 0.3, sinks: 0, recent: 0, future: 1, values: false })
  expect(await keptBy(policy, { entries: 3, features, layer })).toEqual([[2]])
})

it('checks its options when it is made', () =>
  expect(() => expectedAttention({ keep: 8, future: 0 })).toThrow('expected-attention policy got future = 0.'))
