import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { useEngine } from '@tersor/testing'
import { createRng } from '../run/rng.js'
import { classp } from './classp.js'
import { fit } from './fit.js'
import type { GradientTransform } from './gradient-transform.js'
import { sgd } from './sgd.js'

useEngine()
beforeEach(() => tf.engine().startScope())
afterEach(() => tf.engine().endScope())

/** Updates by gradients, step after step. */
const updates = async (transform: GradientTransform, gradients: readonly (readonly number[])[]): Promise<number[][]> => {
  let state = transform.init([gradients[0].length], { name: 'w' })
  const seen: number[][] = []
  for (const [step, gradient] of gradients.entries()) {
    const context = { parameter: tf.zeros([gradient.length]), name: 'w', step, rng: createRng(1), norm: tf.scalar(1) }
    const [update, next] = transform.update(tf.tensor1d([...gradient]), state, context)
    state = next
    seen.push([...(await update.data())])
  }
  return seen
}

it('moves only what is above its threshold: of 0.5 and 0.4, with 0.2 of the square, the first', async () => {
  // 0.5 / √1, then 0.5 / √(1 + 0.25); 0.16 is below 0.2, and still counts for nothing when 0.6 comes
  const seen = await updates(classp({ learningRate: 1, threshold: 0.2 }), [[0.5, 0.4], [0.5, -0.6]]) // prettier-ignore
  expect(seen[0].map(value => value + 0)).toEqual([expect.closeTo(-0.5, 6), 0])
  expect(seen[1]).toEqual([expect.closeTo(-0.5 / Math.sqrt(1.25), 5), expect.closeTo(0.6, 5)])
})

it('moves nothing where the threshold is infinite', async () => {
  const [first, second] = await updates(classp({ learningRate: 1, threshold: Infinity }), [[5], [7]])
  expect([first[0] + 0, second[0] + 0]).toEqual([0, 0])
})

it('is AdaGrad whose sum lags by a step, where p is 2 and the threshold 0; and has cubes and their root with 3', async () => {
  for (const power of [2, 3]) {
    const gradients = [[3, -1], [2, 0.5], [-4, 2]] // prettier-ignore
    const seen = await updates(classp({ learningRate: 0.1, power, epsilon: 0.5 }), gradients)
    const sums = [0, 0]
    for (const [step, row] of gradients.entries())
      for (const [i, g] of row.entries()) {
        expect(seen[step][i]).toBeCloseTo((-0.1 * g) / (0.5 + sums[i]) ** (1 / power), 5)
        sums[i] += Math.abs(g) ** power
      }
  }
})

it('forgets less of a first task than plain descent that learns the second as well', async () => {
  // the first task is x₀ = 1 alone; the second asks for x₀ + x₁ = 0, which either can give
  const afterBoth = async (transform: GradientTransform): Promise<readonly [first: number, second: number]> => {
    const x = tf.variable(tf.zeros([2]))
    await fit({
      ...{ trained: [{ name: 'x', variable: x }], transform, steps: 200, rng: createRng(1) },
      data: step => ({ task: tf.scalar(step < 50 ? 0 : 1) }),
      loss: ({ task }) => {
        const [one, both] = [tf.square(tf.sub(tf.sum(tf.slice(x, [0], [1])), 1)), tf.square(tf.sum(x))]
        return tf.add(tf.mul(tf.sub(1, task), one), tf.mul(task, both)) as tf.Scalar
      },
    })
    const [a, b] = await x.data()
    x.dispose()
    return [(a - 1) ** 2, (a + b) ** 2]
  }
  const [plain, sparing] = [await afterBoth(sgd({ learningRate: 0.1 })), await afterBoth(classp({ learningRate: 0.3, epsilon: 0.1 }))]
  expect(plain[1]).toBeLessThan(1e-4)
  expect(sparing[1]).toBeLessThan(1e-4)
  expect(sparing[0]).toBeLessThan(0.5 * plain[0])
})

it('refuses options that are none', () => {
  expect(() => classp({ learningRate: 1, threshold: -1 })).toThrow('classp got threshold = -1.\nPass a number of at least 0.')
  expect(() => classp({ learningRate: 1, power: 0 })).toThrow('classp got power = 0.\nPass a number above 0.')
  expect(() => classp({ learningRate: 1, epsilon: 0 })).toThrow('classp got epsilon = 0.\nPass a number above 0: the first step')
})
