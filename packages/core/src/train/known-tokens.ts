import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { Model } from '../model/model.js'
import type { TrainOptions } from './train-options.js'

/** Rows of the table that a network begins with; undefined where it begins with something else. */
const wordsOf = ({ stages, params }: Model): number | undefined => {
  const [site] = stages.length > 1 ? stages[0].sites : []
  return site?.kind === 'embedding' ? params.info(site.weight).shape[0] : undefined
}

const unknown = (name: string, step: number, token: number, words: number, who: 'student' | 'teacher'): CompressionError =>
  new CompressionError(
    who === 'teacher' ? 'SHAPE' : 'BAD_DATA',
    `The batch of step ${step + 1} of ${name} has the token ${token}, and the ${who} knows ${words}.`,
    who === 'teacher' ? 'Take a teacher with the same vocabulary.' : 'Encode the text with the tokenizer of this network.',
    { step, token, words },
  )

/**
 * Data whose tokens both networks know: engines tell those that they do not know in words of their own, or not at all.
 * Throws BAD_DATA where the student does not know one, and SHAPE where the teacher does not.
 */
export const knownTokens = (model: Model, { name = 'train', data, teacher }: TrainOptions): TrainOptions['data'] => {
  const networks = { student: wordsOf(model), teacher: teacher && wordsOf(teacher) }
  const limits = (['student', 'teacher'] as const).flatMap(who => (networks[who] === undefined ? [] : [[who, networks[who]] as const]))
  if (limits.length === 0) return data
  return async (step, rng, withWeights) => {
    const batch = await data(step, rng, withWeights)
    if (batch.input.dtype !== 'int32') return batch
    const ids = await batch.input.data<'int32'>()
    for (const [who, words] of limits) {
      const token = ids.find(id => id < 0 || id >= words)
      if (token === undefined) continue
      tf.dispose({ ...batch })
      throw unknown(name, step, token, words, who)
    }
    return batch
  }
}
