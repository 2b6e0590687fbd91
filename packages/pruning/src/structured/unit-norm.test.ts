import '@tensorflow/tfjs-backend-cpu'
import { useEngine } from '@tersor/testing'
import { keptRows, UP } from './kept-rows.fixture.js'
import { unitNorm } from './unit-norm.js'

useEngine()

it('is the mean of what rows and columns sum up to', async () => {
  // squares of rows 1, 1, 5, 10 and of columns 26, 5, 0, 162: means 13.5, 3, 2.5, 86
  expect(await keptRows(unitNorm(), 0.5)).toEqual({ up: [[1, 0], [-3, 1]], down: [[5, 9], [-1, 9]] }) // prettier-ignore
  // magnitudes 1, 1, 3, 4 and 6, 3, 0, 18: means 3.5, 2, 1.5, 11
  expect((await keptRows(unitNorm({ power: 1 }), 0.75)).up).toEqual([UP[0], UP[1], UP[3]])
})

it('refuses powers that say nothing', () => {
  expect(() => unitNorm({ power: 0 })).toThrow(expect.objectContaining({ code: 'BAD_OPTION', message: expect.stringContaining('power') }))
})
