import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { compress, switchedOff } from '@tersor/core'
import { describePass, outputOf, useEngine } from '@tersor/testing'
import { structured } from './structured.js'
import { DOWN, UP } from './kept-rows.fixture.js'
import { cutBy } from './small-llama.fixture.js'
import { rowsOf, twoLayers } from './two-layers.fixture.js'
import { unitActivation } from './unit-activation.js'
import { unitTaylor } from './unit-taylor.js'

useEngine()
describePass(() => structured({ keep: 0.5 }))
describePass(() => structured({ score: unitActivation(), keep: 0.5 }), { calibrated: true })
describePass(() => structured({ score: unitTaylor(), keep: 0.5 }), { calibrated: true })

it('gives what the large network gives without those neurons', async () => {
  const [model, change] = [twoLayers(UP, DOWN), { keep: new Map([['neurons', [0, 3]]]) }]
  const small = await compress(model, structured({ keep: 0.5 })) // 13.5, 3, 2.5, 86: the first and the last
  expect(small.couplings?.[0].units).toBe(2)
  const x = tf.tensor2d([[1, 2], [-4, 0.5]]) // prettier-ignore
  expect(await outputOf(small, x)).toEqual(await outputOf(switchedOff(model, change), x))
  x.dispose()
})

it.each([
  [() => structured({ keep: 1 }), 'keep'],
  [() => structured({ keep: 0.5, multiple: 0 }), 'multiple'],
  [() => structured({ keep: 0.5, rounds: 0 }), 'rounds'],
  [() => structured({ score: {} as never }), 'unit-score'],
  [() => structured({ among: 'all' as never }), 'among'],
  [() => structured({ normaliser: 'gaussian' }), 'normaliser does nothing'],
  [() => structured({ among: 'kind', normaliser: 'first' as never }), 'normaliser'],
])('refuses options that say nothing: %#', (make, word) => {
  expect(make).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining(word) }))
})

it('refuses units that a network has not, with those that it has', async () => {
  await expect(compress(twoLayers(UP, DOWN), structured({ units: ['neurons', 'heads'] }))).rejects.toMatchObject({
    code: 'UNSUPPORTED',
    message: expect.stringMatching(/finds no heads[^]*neurons/),
  })
})

/** Scores that change with what is left: the first of all, then whichever is asked for. */
const told = (rounds: readonly (readonly number[])[]) => {
  let round = 0
  const of = () => Promise.resolve([Float64Array.from(rounds[round++])])
  return { kind: 'unit-score' as const, name: 'told', of }
}

it('takes scores again in each round, and none that went comes back', async () => {
  const score = told([[1, 2, 3, 4], [9, 1, 3, 2]]) // prettier-ignore
  const small = await compress(twoLayers(UP, DOWN), structured({ score, keep: 0.5, rounds: 2 }))
  expect(await rowsOf(small, 'up.weight')).toEqual([UP[2], UP[3]]) // 0, then 1: the first has 9 by now, but it is gone
})

it('leaves as many in several rounds as in one', async () => {
  const model = twoLayers(UP, DOWN)
  const x = tf.tensor2d([[1, 2], [-4, 0.5]]) // prettier-ignore
  const small = await compress(model, structured({ score: unitTaylor(), keep: 0.25, rounds: 3 }), { calibration: [x] })
  expect(small.couplings?.[0].units).toBe(1)
  x.dispose()
})

it('gives blocks widths of their own where they are compared with each other', async () => {
  const { config } = await cutBy(structured({ score: unitTaylor(), keep: 0.5, among: 'kind' }))
  const widths = [(config as { readonly intermediate_size: readonly number[] | number }).intermediate_size].flat()
  expect(widths.reduce((sum, width) => sum + width, 0)).toBe(widths.length === 1 ? 12 : 24)
})
