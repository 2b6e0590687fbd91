import '@tensorflow/tfjs-backend-cpu'
import * as tf from '@tensorflow/tfjs-core'
import { describePolicy } from '@tersor/testing'
import { pyramid, pyramidBudgets } from './pyramid.js'
import { snapKv } from './snap-kv.js'
import { random } from './random.js'
import { keptBy } from './view.fixture.js'

describePolicy(() => pyramid({ policy: snapKv({ keep: 12, recent: 4 }), beta: 4 }), {
  ample: () => pyramid({ policy: snapKv({ keep: 128 }), beta: 4 }),
  most: 4 + 14, // of the first layer: 4 recent and 2 · 8 − 8 / 4
})

it('falls in equal steps and adds up to the entry', () => {
  expect(pyramidBudgets(4, 120, 20)).toEqual([234, 158, 82, 6]) // 128 entries less a window of 8
  for (const [layers, mean, beta] of [
    [1, 7, 20],
    [3, 50, 7],
    [16, 33, 20],
  ])
    // prettier-ignore
    expect(pyramidBudgets(layers, mean, beta).reduce((a, b) => a + b)).toBe(layers * mean)
})

it('lets each layer keep its own number of the best', async () => {
  const shares = tf.tensor4d([0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0], [1, 1, 1, 8])
  const policy = pyramid({ policy: snapKv({ keep: 4, recent: 1, pool: 1 }), beta: 3 })
  const kept = (index: number) => keptBy(policy, { entries: 8, features: { lastShares: shares }, layer: { index, of: 2 } })
  expect(await kept(0)).toEqual([[0, 1, 2, 3, 4, 7]]) // 5 chosen freely, and the newest
  expect(await kept(1)).toEqual([[0, 7]])
})

it('keeps its own name, and takes only what scores', () => {
  expect(pyramid({ policy: random({ keep: 8 }) })).toMatchObject({ name: 'pyramid', options: { beta: 20, policy: { name: 'random' } } })
  expect(() => pyramid({ policy: { name: 'x' } as never })).toThrow('pyramid policy got policy = x.')
})
