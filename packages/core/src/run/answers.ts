import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { Model } from '../model/model.js'

/** What the network should answer. */
export interface Answers {
  /** Of the next batch, int32, −1 where nothing is known; the caller owns it. */
  of(input: tf.Tensor, output: tf.Tensor): tf.Tensor
  /** To be called behind the last batch. */
  end(): void
}

const taskOf = (model: object): string | undefined => (model as { readonly task?: string }).task

/** The next token of each. */
const nextTokens = (ids: tf.Tensor): tf.Tensor => {
  const [batch, positions] = ids.shape
  return tf.concat([tf.slice(ids, [0, 1], [batch, positions - 1]), tf.fill([batch, 1], -1, 'int32')], 1)
}

const labelRefusal = (step: string, why: string, labels: number): CompressionError =>
  new CompressionError(
    'BAD_DATA',
    `${step} got ${labels} labels, and ${why}.`,
    'Pass the class of each input of calibration, in their order, or none: the network then answers itself.',
    { step, labels },
  )

/** Classes that are given, row by row. */
const labelled = (step: string, labels: readonly number[]): Answers => {
  let at = 0
  const of = (_input: tf.Tensor, output: tf.Tensor): tf.Tensor => {
    const rows = output.shape[0]!
    const classes = output.shape[output.rank - 1]!
    if (output.rank !== 2) throw labelRefusal(step, `the network answers ${output.shape.join(' × ')}`, labels.length)
    if (at + rows > labels.length) throw labelRefusal(step, `calibration has ${at + rows} inputs and more`, labels.length)
    const own = labels.slice(at, at + rows)
    const stranger = own.find(label => !(Number.isInteger(label) && label >= 0 && label < classes))
    if (stranger !== undefined) throw labelRefusal(step, `${stranger} is none of ${classes} classes`, labels.length)
    at += rows
    return tf.tensor1d(own, 'int32')
  }
  const end = (): void => {
    if (at < labels.length) throw labelRefusal(step, `calibration has ${at} inputs`, labels.length)
  }
  return { of, end }
}

/**
 * What a network should answer to calibration: labels where they are given, the next token of each for a text that is written on, and what the
 * network answers itself for all else. Throws UNSUPPORTED for networks that give hidden states; both functions throw BAD_DATA for labels that
 * do not fit.
 */
export const answersOf = (model: Pick<Model, 'stages'>, step: string, labels?: readonly number[]): Answers => {
  if (taskOf(model) === 'hidden-states')
    throw new CompressionError(
      'UNSUPPORTED',
      `${step} asks what the network answers, and it gives hidden states.`,
      'Use what looks at weights or inputs alone, such as unit-norm or unit-activation, or the network with its head.',
      { step },
    )
  if (labels) return labelled(step, labels)
  const of = (input: tf.Tensor, output: tf.Tensor): tf.Tensor => {
    const isText = input.dtype === 'int32' && output.rank === input.rank + 1 && output.shape[1] === input.shape[1]
    return isText && taskOf(model) !== 'masked-language' ? nextTokens(input) : tf.cast(tf.argMax(output, -1), 'int32')
  }
  return { of, end: () => undefined }
}
