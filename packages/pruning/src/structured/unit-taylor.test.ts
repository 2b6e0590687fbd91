import '@tensorflow/tfjs-backend-cpu'
import { useEngine } from '@tersor/testing'
import { keptRows, UP } from './kept-rows.fixture.js'
import { unitTaylor } from './unit-taylor.js'

useEngine()

it('is what the loss would change', async () => {
  // own answer: the first; dy = (−1, 1) · p of the second, e⁻¹² / (1 + e⁻¹²). Through down: columns (5, −1), (2, −1), (0, 0) and a silent one.
  // Σ |w · g|: down |5 + 1| · 1 and |2 + 1| · 2, up the same again: both 6; the others 0, as relu is shut or nothing is read
  expect((await keptRows(unitTaylor(), 0.5)).up).toEqual([UP[0], UP[1]])
})
