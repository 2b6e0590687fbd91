import * as tf from '@tensorflow/tfjs-core'
import { walkGradients, type GradientOptions } from '@tersor/core'
import { scoresByParameter } from './summed-scores.js'
import type { UnitScoring } from './unit-score.js'

/** Mean over members of Σ |w · g| over what writes and reads a unit, g the mean gradient over calibration; of the loss that `options` say. */
export const taylorScores = async (
  { step, model, couplings, context }: UnitScoring,
  options?: GradientOptions,
): Promise<readonly Float64Array[]> => {
  const scores = scoresByParameter(couplings)
  await walkGradients(model, step, context, (name, gradient, weight) => scores.add(name, () => tf.abs(tf.mul(weight, gradient))), options)
  return scores.all()
}
