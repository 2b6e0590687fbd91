import * as tf from '@tensorflow/tfjs-core'
import type { EvaluationOptions } from './each-output.js'
import { eachPair } from './each-pair.js'
import { checkFinite } from './log-softmax.js'
import { predicts, targetsOf, type TokenModel, type WindowBatch } from './window-batches.js'
import type { Window } from './windows.js'

/** What a text says of a model and of the reference that it is held against. */
export interface ComparedPredictions {
  /** exp of the mean surprise at the next token. */
  readonly perplexity: number
  /** The same of the reference. */
  readonly referencePerplexity: number
  /** Mean of KL(reference ‖ model), in nats. */
  readonly kl: number
  /** Share of positions at which the likeliest next token is another one: 0 to 1. */
  readonly flips: number
  readonly tokens: number
}

/** What is summed of each position, in the order of the columns that `rowsOf` makes. */
const SUMS = ['loss', 'referenceLoss', 'kl', 'flips'] as const

/** Four numbers of each position, computed on the engine: (positions, 4). */
const rowsOf = (logits: tf.Tensor, expected: tf.Tensor, batch: WindowBatch): tf.Tensor => {
  const vocabulary = expected.shape[2]!
  const [q, p] = [logits, expected].map(each => tf.logSoftmax(tf.reshape(each, [-1, vocabulary]))) // (positions, vocabulary)
  const targets = targetsOf(batch) as tf.Tensor2D
  const losses = [q, p].map(each => tf.neg(tf.gather(each, targets, 1, 1))) // (positions, 1)
  const kl = tf.sum(tf.mul(tf.exp(p), tf.sub(p, q)), 1, true)
  const flips = tf.reshape(tf.cast(tf.notEqual(tf.argMax(q, 1), tf.argMax(p, 1)), 'float32'), [-1, 1])
  return tf.concat([...losses, kl, flips], 1)
}

/**
 * Holds a model's predictions against a reference's in one reading of a text: the perplexity of both, KL(reference ‖ model) and flips, the
 * share of positions whose likeliest next token is another. The reference is held whole.
 * Throws BAD_DATA for other vocabularies, where no window has two tokens and for ids of another vocabulary, NOT_FINITE for logits that are
 * no numbers, or the signal's reason.
 * Dutta et al. 2024, https://arxiv.org/abs/2407.09141, on why flips tell more than accuracy.
 */
export const comparePredictions = async (
  model: TokenModel,
  reference: TokenModel,
  windows: readonly Window[],
  options: EvaluationOptions = {},
): Promise<ComparedPredictions> => {
  const sums = new Float64Array(SUMS.length)
  let tokens = 0
  await eachPair(model, reference, windows, options, async (logits, expected, batch) => {
    const rows = tf.tidy(() => rowsOf(logits, expected, batch))
    const values = await rows.data<'float32'>().finally(() => rows.dispose())
    predicts(batch).forEach((counts, row) => {
      if (!counts) return
      tokens++
      SUMS.forEach((_, column) => (sums[column] += values[row * SUMS.length + column]))
    })
  })
  sums.forEach(checkFinite)
  const [loss, referenceLoss, kl, flips] = [...sums].map(sum => sum / tokens)
  return { perplexity: Math.exp(loss), referencePerplexity: Math.exp(referenceLoss), kl: Math.max(0, kl), flips, tokens }
}
