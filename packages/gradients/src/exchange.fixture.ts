import { createRng, fit, sgd, type Exchange, type ExchangeStep, type GradientTransform } from '@tersor/core'
import * as tf from '@tensorflow/tfjs-core'
import type { Collective } from './collective/collective.js'
import { together } from './collective/together.js'

/** Runs an exchange by hand: gradients of one tensor, worker by worker and step by step; what all apply, and the states at the end. */
export const exchangeByHand = async (
  make: (peers: Collective) => Exchange,
  gradients: readonly (readonly Float32Array[])[],
  shape: readonly number[],
  first = 0,
) => {
  const traffic: number[] = []
  const workers = await together(gradients.length, async peers => {
    const exchange = make(peers)
    const state = exchange.init(shape, { name: 'w' })
    const applied: Float32Array[] = []
    for (const [i, gradient] of gradients[peers.rank].entries()) {
      const values = gradient.slice()
      const step: ExchangeStep = {
        step: first + i,
        loss: peers.rank,
        gradients: [{ name: 'w', shape, values, state }],
        rng: createRng(4).fork(`${i}`),
      }
      await exchange.run(step)
      applied.push(values)
    }
    traffic.push(peers.traffic.sent)
    return { applied, state }
  })
  for (const { applied } of workers) expect(applied).toEqual(workers[0].applied)
  return { applied: workers[0].applied, states: workers.map(({ state }) => state), traffic }
}

export const sumOf = (lists: readonly Float32Array[]): Float32Array => lists[0].map((_, i) => lists.reduce((sum, list) => sum + list[i], 0))

export const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0)

/** Numbers of a matrix that is large enough to be coded. */
export const [ROWS, COLUMNS] = [40, 40]
export const matrix = (seed: number): Float32Array => {
  const rng = createRng(seed)
  return Float32Array.from({ length: ROWS * COLUMNS }, () => rng.normal())
}

/**
 * The distance from the optimum of Σᵢ ½ ‖aᵢ ∘ (x − cᵢ)‖², quadratics of workers that pull to different places, behind so many steps of
 * gradient descent.
 */
export const distanceOnQuadratics = async (
  make: (peers: Collective) => Exchange,
  {
    rate,
    steps,
    transform = sgd({ learningRate: rate }),
  }: { readonly rate: number; readonly steps: number; readonly transform?: GradientTransform },
): Promise<number> => {
  const workers = 2
  const n = ROWS * COLUMNS
  const all = Array.from({ length: workers }, (_, worker) => {
    const rng = createRng(worker + 20)
    return {
      scale: Float32Array.from({ length: n }, () => 0.5 + rng.uniform()),
      centre: Float32Array.from({ length: n }, () => 3 * rng.normal()),
    }
  })
  const best = Float32Array.from({ length: n }, (_, i) => {
    const weights = all.map(({ scale }) => scale[i])
    return all.reduce((sum, { centre }, w) => sum + weights[w] * centre[i], 0) / weights.reduce((sum, weight) => sum + weight)
  })
  const found = await together(workers, async peers => {
    const variable = tf.tidy(() => tf.variable(tf.zeros([ROWS, COLUMNS])))
    const { scale, centre } = all[peers.rank]
    await fit({
      trained: [{ name: 'x', variable }],
      ...{ steps, transform, rng: createRng(1), exchange: make(peers) },
      data: () => ({ scale: tf.tensor2d(scale, [ROWS, COLUMNS]), centre: tf.tensor2d(centre, [ROWS, COLUMNS]) }),
      loss: batch => tf.mul(0.5, tf.sum(tf.mul(batch.scale, tf.square(tf.sub(variable, batch.centre))))) as tf.Scalar,
    })
    const values = await variable.data<'float32'>()
    variable.dispose()
    return Math.sqrt(values.reduce((sum, value, i) => sum + (value - best[i]) ** 2, 0))
  })
  return Math.max(...found)
}
