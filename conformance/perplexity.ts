import * as tf from '@tensorflow/tfjs-core'
import { forward, loadModel } from '@tersor/core'
import type { LanguageModel } from '@tersor/models'

/** Natural logarithms of the probabilities of all tokens, a row for each position. */
export type LogProbabilities = (ids: readonly number[]) => Promise<readonly Float64Array[]>

/** Logits → logarithms of probabilities. */
export const logSoftmax = (logits: ArrayLike<number>): Float64Array => {
  const row = Float64Array.from(logits)
  const largest = row.reduce((a, b) => Math.max(a, b))
  const total = largest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0))
  return row.map(logit => logit - total)
}

/** Our own forward pass. */
export const ours = async (model: LanguageModel): Promise<LogProbabilities> => {
  const { weights } = await loadModel(model)
  return async ids => {
    const input = tf.tensor2d([...ids], [1, ids.length], 'int32')
    const logits = forward(model, input, { weights })
    const values = await logits.data()
    tf.dispose([input, logits])
    const width = values.length / ids.length
    return ids.map((_, i) => logSoftmax(values.subarray(i * width, (i + 1) * width)))
  }
}

/** exp of the mean negative log-probability of every id after the first of each window. */
export const perplexity = async (rows: LogProbabilities, windows: readonly (readonly number[])[]): Promise<number> => {
  let sum = 0
  let count = 0
  for (const ids of windows) {
    const predicted = await rows(ids.slice(0, -1))
    predicted.forEach((row, i) => (sum -= row[ids[i + 1]]))
    count += predicted.length
  }
  return Math.exp(sum / count)
}

/** The largest difference of two lists of rows. */
export const furthest = (a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number =>
  a.reduce(
    (most, row, i) =>
      Math.max(
        most,
        Array.from(row).reduce((m, value, j) => Math.max(m, Math.abs(value - b[i][j])), 0),
      ),
    0,
  )
