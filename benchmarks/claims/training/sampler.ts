/** Texts that a student makes of prompts, several at once, and how far it is from its teacher on them. */
import * as tf from '@tensorflow/tfjs-core'
import { createRng, forward, loadModel, type Batch, type Rng, type Weights } from '@tersor/core'
import { klDivergence } from '@tersor/evaluation'
import { sample, type LanguageModel } from '@tersor/models'
import { bundled } from './texts.js'

/** Tokens of the data that a text begins with. */
const PROMPT = 16
/** Tokens of a text, prompt included. */
const TEXT = 48
const BATCHES_MEASURED = 4

/**
 * Goes on from the first tokens of each row, one token at a time. Rows have their full length from the start, since what comes later is not
 * seen: one shape for all steps.
 */
const continued = async (model: LanguageModel, prompts: Int32Array, rows: number, weights: Weights, rng: Rng): Promise<Int32Array> => {
  const ids = Int32Array.from(prompts)
  for (let at = PROMPT; at < TEXT; at++) {
    const logits = tf.tidy(() => {
      const all = forward(model, tf.tensor2d(ids, [rows, TEXT], 'int32'), { weights })
      return tf.reshape(tf.slice(all, [0, at - 1, 0], [-1, 1, -1]), [rows, -1])
    })
    const values = await logits.data<'float32'>()
    logits.dispose()
    for (let row = 0; row < rows; row++)
      ids[row * TEXT + at] = sample(values.subarray((row * values.length) / rows, ((row + 1) * values.length) / rows), 1, rng)
  }
  return ids
}

/** A batch as long as the texts that are made of it. */
const cut = ({ input }: Batch): tf.Tensor2D => tf.slice(input as tf.Tensor2D, [0, 0], [-1, TEXT])

/** What `onPolicy` asks for: the student's own texts in the place of the rest of each window. */
export const ownTexts =
  (model: LanguageModel) =>
  async (batch: Batch, weights: Weights, rng: Rng): Promise<Batch> => {
    const prompts = tf.tidy(() => cut(batch))
    const [rows] = prompts.shape
    const ids = await continued(model, (await prompts.data()) as Int32Array, rows, weights, rng)
    prompts.dispose()
    return { input: tf.tensor2d(ids, [rows, TEXT], 'int32') }
  }

/** The data's own windows, as long as those texts. */
export const givenTexts = (batch: Batch): Batch => {
  const input = tf.tidy(() => cut(batch))
  tf.dispose({ ...batch })
  return { input }
}

/** Nats a token from student to teacher and back, on texts that the student makes of prompts it has not learned from. */
export const apartOnOwnTexts = async (student: LanguageModel, seed: number) => {
  const { model: teacher, validation } = await bundled()
  const { weights, dispose } = await loadModel(student)
  const windows: number[][] = []
  try {
    const prompts = validation.filter(window => window.length >= TEXT)
    for (let batch = 0; batch < BATCHES_MEASURED; batch++) {
      const rows = prompts.slice(8 * batch, 8 * batch + 8)
      const ids = Int32Array.from(rows.flatMap(window => window.slice(0, TEXT)))
      const texts = await continued(student, ids, rows.length, weights, createRng(seed).fork(`texts ${batch}`))
      rows.forEach((_, row) => windows.push([...texts.subarray(row * TEXT, (row + 1) * TEXT)]))
    }
  } finally {
    dispose()
  }
  const { kl: reverse } = await klDivergence(teacher, student, windows)
  const { kl: forward } = await klDivergence(student, teacher, windows)
  return { reverse, forward }
}
