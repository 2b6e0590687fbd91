import * as tf from '@tensorflow/tfjs-core'
import { compress, type Made } from '@tersor/core'
import { structured } from './structured.js'
import { rowsOf, twoLayers } from './two-layers.fixture.js'
import type { UnitScore } from './unit-score.js'

// up · x with x = (1, 2): 1, 2, 4 and −1, which relu makes 0; what goes on to down · h = (9, −3)
export const UP = [[1, 0], [0, 1], [2, 1], [-3, 1]] // prettier-ignore
export const DOWN = [[5, 2, 0, 9], [-1, -1, 0, 9]] // prettier-ignore

/** Rows and columns of the four neurons that stay by a score. */
export const keptRows = async (score: UnitScore & Made, keep = 0.25) => {
  const x = tf.tensor2d([[1, 2]])
  const small = await compress(twoLayers(UP, DOWN), structured({ score, keep }), { calibration: [x], seed: 1 })
  x.dispose()
  return { up: await rowsOf(small, 'up.weight'), down: await rowsOf(small, 'down.weight') }
}
