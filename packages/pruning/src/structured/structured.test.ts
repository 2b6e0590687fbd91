import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress } from '@tersor/core'
import { describePass, useEngine } from '@tersor/testing'
import { structured } from './structured.js'
import { rowsOf, twoLayers } from './two-layers.fixture.js'
import { unitActivation } from './unit-activation.js'
import { unitNorm } from './unit-norm.js'
import { unitRandom } from './unit-random.js'
import { unitTaylor } from './unit-taylor.js'

useEngine()
describePass(() => structured({ keep: 0.5 }))
describePass(() => structured({ score: unitActivation(), keep: 0.5 }), { calibrated: true })
describePass(() => structured({ score: unitTaylor(), keep: 0.5 }), { calibrated: true })

// up · x with x = (1, 2): 1, 2, 4 and −1, which relu makes 0; what goes on to down · h = (9, −3)
const UP = [[1, 0], [0, 1], [2, 1], [-3, 1]] // prettier-ignore
const DOWN = [[5, 2, 0, 9], [-1, -1, 0, 9]] // prettier-ignore
const kept = async (score: ReturnType<typeof unitNorm>, keep = 0.25) => {
  const x = tf.tensor2d([[1, 2]])
  const small = await compress(twoLayers(UP, DOWN), structured({ score, keep }), { calibration: [x], seed: 1 })
  x.dispose()
  return { up: await rowsOf(small, 'up.weight'), down: await rowsOf(small, 'down.weight'), small }
}

it('cuts rows that write and columns that read, by weights', async () => {
  // squares of rows 1, 1, 5, 10 and of columns 26, 5, 0, 162: means 13.5, 3, 2.5, 86
  expect(await kept(unitNorm(), 0.5)).toMatchObject({ up: [[1, 0], [-3, 1]], down: [[5, 9], [-1, 9]] }) // prettier-ignore
  // magnitudes 1, 1, 3, 4 and 6, 3, 0, 18: means 3.5, 2, 1.5, 11
  expect(await kept(unitNorm({ power: 1 }), 0.75)).toMatchObject({ up: [UP[0], UP[1], UP[3]] })
})

it('judges by what is read of units', async () => {
  expect((await kept(unitActivation())).up).toEqual([UP[2]]) // of 1, 2, 4 and 0
})

it('judges by what the loss would change', async () => {
  // own answer: the first; dy = (−1, 1) · p of the second, e⁻¹² / (1 + e⁻¹²). Through down: columns (5, −1), (2, −1), (0, 0) and a silent one.
  // Σ |w · g|: down |−5 − 1| · 1 and |−2 − 1| · 2, up the same again: both 6; the others 0, as relu is shut or nothing is read
  expect((await kept(unitTaylor(), 0.5)).up).toEqual([UP[0], UP[1]])
})

it('judges by chance from the seed', async () => {
  const [one, two] = [await kept(unitRandom(), 0.5), await kept(unitRandom(), 0.5)]
  expect(one.up).toHaveLength(2)
  expect(one.up).toEqual(two.up)
})

it('gives what the large network gives without those neurons', async () => {
  const { small } = await kept(unitNorm(), 0.5)
  expect(small.couplings?.[0].units).toBe(2)
})

it.each([
  [() => structured({ keep: 1 }), 'keep'],
  [() => structured({ keep: 0.5, multiple: 0 }), 'multiple'],
  [() => structured({ score: {} as never }), 'unit-score'],
  [() => structured({ among: 'all' as never }), 'among'],
])('refuses options that say nothing: %#', (make, word) => {
  expect(make).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(word) }))
})

it('refuses units that a network has not, with those that it has', async () => {
  await expect(compress(twoLayers(UP, DOWN), structured({ units: ['neurons', 'heads'] }))).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringMatching(/finds no heads[^]*neurons/),
  })
})
