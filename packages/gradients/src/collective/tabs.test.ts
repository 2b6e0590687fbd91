import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { createRng, fit, sgd, type Exchange } from '@tersor/core'
import { useEngine } from '@tersor/testing'
import { errorFeedback } from '../error-feedback.js'
import { powerSgd } from '../power-sgd.js'
import { topK } from '../top-k.js'
import type { Collective } from './collective.js'
import { tabs } from './tabs.js'

useEngine()

const SHAPE: [number, number] = [40, 40]

/** Trains y = W x on half of the data each, as two tabs of one origin; weights, losses and bytes of both. */
const twoTabs = (name: string, make: (peers: Collective) => Exchange) =>
  Promise.all(
    [0, 1].map(async rank => {
      const peers = await tabs({ name, rank, size: 2 })
      const w = tf.tidy(() => tf.variable(tf.zeros(SHAPE)))
      const losses: number[] = []
      const values = (step: number): Float32Array => {
        const rng = createRng(step).fork(`tab ${rank}`)
        return Float32Array.from({ length: SHAPE[0] * SHAPE[1] }, () => rng.normal())
      }
      await fit({
        ...{
          trained: [{ name: 'w', variable: w }],
          exchange: make(peers),
          transform: sgd({ learningRate: 2 }),
          steps: 8,
          rng: createRng(1),
        },
        data: step => ({ x: tf.tensor2d(values(step), SHAPE) }),
        loss: ({ x }) => tf.mean(tf.square(tf.sub(tf.matMul(w as unknown as tf.Tensor2D, x as tf.Tensor2D), x))) as tf.Scalar,
        onProgress: event => event.type === 'trained' && losses.push(event.loss),
      })
      const found = { w: await w.data<'float32'>(), losses, traffic: { ...peers.traffic } }
      w.dispose()
      await peers.close()
      return found
    }),
  )

it.each<readonly [string, (peers: Collective) => Exchange]>([
  ['top-k', peers => errorFeedback(peers, { codec: topK({ density: 0.05 }) })],
  ['PowerSGD', peers => powerSgd(peers, { rank: 2, start: 1 })],
])('two tabs train together to the same weights, with as many bytes each way: %s', async (name, make) => {
  const [one, other] = await twoTabs(name, make)
  expect(other).toEqual(one)
  expect(one.traffic.sent).toBe(one.traffic.received)
  expect(one.losses.at(-1)).toBeLessThan(one.losses[0])
})
