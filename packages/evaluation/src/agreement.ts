import * as tf from '@tensorflow/tfjs-core'
import type { Model } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { eachOutput, type EvaluationOptions } from './each-output.js'

/** Inputs of a model by batch: made when they are needed, disposed by the one who measures. */
export interface InputBatches {
  readonly batches: number
  /** (rows, …). */
  batch(index: number): tf.Tensor
}

const choicesOf = async (model: Model, inputs: InputBatches, options: EvaluationOptions): Promise<number[]> => {
  const chosen: number[] = []
  const batches = Array.from({ length: inputs.batches }, (_, index) => ({
    size: 1,
    input: () => inputs.batch(index),
    visit: async (best: tf.Tensor) => void chosen.push(...(await best.data())),
  }))
  await eachOutput(model, batches, { ...options, reduce: outputs => tf.argMax(outputs, -1) })
  return chosen
}

/**
 * How often two models give the same answer: the share of inputs whose largest output stands at one place in both. No labels are needed.
 * Throws BAD_DATA where there is no input, or where the models answer a different number of times, and the signal's reason.
 */
export const topOneAgreement = async (
  model: Model,
  reference: Model,
  inputs: InputBatches,
  options: EvaluationOptions = {},
): Promise<{ readonly agreement: number; readonly same: number; readonly count: number }> => {
  const [own, other] = [await choicesOf(model, inputs, options), await choicesOf(reference, inputs, options)]
  if (own.length === 0 || own.length !== other.length)
    throw new CompressionError(
      'BAD_DATA',
      `The models give ${own.length} and ${other.length} answers.`,
      'Pass at least one batch, and models with one answer a row.',
    )
  const same = own.filter((choice, index) => choice === other[index]).length
  return { agreement: same / own.length, same, count: own.length }
}
