import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, createRng, type Pass } from '@tersor/core'
import { useEngine } from '@tersor/testing'
import { DOWN, UP } from './kept-rows.fixture.js'
import { twoLayers } from './two-layers.fixture.js'
import { unitDisturbedTaylor } from './unit-disturbed-taylor.js'

useEngine()

const SEED = 4

/** Scores of neurons over two batches of x = (1, 2). */
const scoresOf = async (noise: number, up = UP, down = DOWN): Promise<readonly number[]> => {
  let found: readonly Float64Array[] = []
  const look: Pass = {
    ...{ kind: 'pass', name: 'look' },
    run: async (model, context) => {
      found = await unitDisturbedTaylor({ noise }).of({ step: 'look', model, couplings: model.couplings!, context })
      return model
    },
  }
  const calibration = [1, 2].map(() => tf.tensor2d([[1, 2]]))
  await compress(twoLayers(up, down), look, { calibration, seed: SEED })
  tf.dispose(calibration)
  return [...found[0]]
}

it('is what plain loops make of the noise of both batches, magnitudes taken last', async () => {
  const disturbance = createRng(SEED).fork('0:look').fork('disturbance')
  const [first, second] = [0, 1].map(batch => {
    const stream = disturbance.fork(`batch ${batch}`)
    return [stream.normal(), stream.normal()]
  })
  const dy = first.map((value, i) => -(0.5 * (value + second[i])) / 2) // −2 n / 2, the mean of both batches, noise ½
  const x = [1, 2]
  const h = UP.map(([a, b]) => Math.max(0, a * x[0] + b * x[1])) // 1, 2, 4, 0
  const want = h.map((value, unit) => {
    const read = DOWN.reduce((sum, row, i) => sum + Math.abs(row[unit] * dy[i] * value), 0)
    const back = value > 0 ? DOWN.reduce((sum, row, i) => sum + row[unit] * dy[i], 0) : 0
    const written = UP[unit].reduce((sum, weight, i) => sum + Math.abs(weight * back * x[i]), 0)
    return (read + written) / 2
  })
  const found = await scoresOf(0.5)
  found.forEach((value, unit) => expect(value).toBeCloseTo(want[unit], 5))
  expect(found[3]).toBe(0) // relu is shut: nothing is read, and nothing comes back
})

it('is zero everywhere without noise, as loss and gradient are', async () => {
  expect(await scoresOf(0)).toEqual([0, 0, 0, 0])
})

it('grows with the noise and orders alike, and a silent neuron has none', async () => {
  const [little, much] = [await scoresOf(0.01), await scoresOf(1)]
  little.forEach((value, unit) => expect(100 * value).toBeCloseTo(much[unit], 4))
  expect((await scoresOf(0.01, [[0, 0], [1, 1]], [[0, 3]]))[0]).toBe(0) // prettier-ignore
})

it.each([-0.1, 1.5, NaN])('refuses noise of %f', noise => {
  expect(() => unitDisturbedTaylor({ noise })).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('noise') })) // prettier-ignore
})
