import * as tf from '@tensorflow/tfjs-core'
import { walkGradients, type OutputGradient } from '@tersor/core'
import { scoresByParameter } from './summed-scores.js'
import type { UnitScoring } from './unit-score.js'

/** Mean over members of Σ |w · g| over what writes and reads a unit, g the mean gradient over calibration; of a cross-entropy where nothing else is said. */
export const taylorScores = async (
  { step, model, couplings, context }: UnitScoring,
  of?: OutputGradient,
): Promise<readonly Float64Array[]> => {
  const scores = scoresByParameter(couplings)
  await walkGradients(model, step, context, (name, gradient, weight) => scores.add(name, () => tf.abs(tf.mul(weight, gradient))), of)
  return scores.all()
}
