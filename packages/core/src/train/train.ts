import * as tf from '@tensorflow/tfjs-core'
import { memorySink, type Parameter } from '@tersor/tensor'
import { quantizedActivations } from '../model/activation-grid.js'
import type { Model, Weights } from '../model/model.js'
import { createRng, type Rng } from '../run/rng.js'
import { fit } from './fit.js'
import { checkFit } from './fit-options.js'
import { knownTokens } from './known-tokens.js'
import { momentOf } from './moment.js'
import { besideOf, parameterOf } from './node.js'
import { checkStatistics } from './statistics.js'
import { studentOf, type Student } from './student.js'
import type { WithWeights, TrainOptions } from './train-options.js'
import type { Watch } from './watch.js'

/** Lends the weights in training to someone who does not free them. */
const withWeights = async <T>(student: Student, step: number, of: number, work: (weights: Weights) => T | Promise<T>): Promise<T> => {
  const { moment, taken } = momentOf({ step, of, rng: createRng(0).fork(`look ${step}`) })
  const lent = new Map<string, tf.Tensor>()
  try {
    tf.tidy(() => {
      const weights = student.weights(moment)
      for (const { name } of student.parameters) lent.set(name, tf.keep(tf.clone(weights(name))))
    })
    return await work(name => lent.get(name)!)
  } finally {
    lent.forEach(tensor => tensor.dispose())
    taken.held.forEach(tensor => tensor.dispose())
  }
}

const watchOf = (student: Student, { watch, steps }: TrainOptions): { readonly watch?: Watch } =>
  watch ? { watch: { ...watch, measure: step => withWeights(student, step, steps, weights => watch.measure(weights, step)) } } : {}

/** Writes every parameter of the store, trained or as it was, and what stands beside. */
const store = async <M extends Model>(
  model: M,
  student: Student,
  { name: pass = 'train', sink = memorySink, signal, onProgress }: TrainOptions,
): Promise<M> => {
  const byName = new Map(student.parameters.map(each => [each.name, each]))
  const beside = new Map<string, Parameter>()
  const out = sink()
  try {
    for (const name of model.params.names()) {
      signal?.throwIfAborted()
      const finished = (await byName.get(name)?.finish()) ?? (await model.params.read(name))
      await out.write(name, parameterOf(finished))
      if ((byName.get(name)?.variables.size ?? 0) > 0) onProgress?.({ type: 'changed', pass, parameter: name })
      for (const [other, parameter] of besideOf(finished)) beside.set(other, parameter)
    }
    for (const [name, parameter] of beside) await out.write(name, parameter)
    const params = await out.finish()
    if (beside.size === 0) return { ...model, params }
    return quantizedActivations({ ...model, params })
  } catch (error) {
    await out.abort()
    throw error
  }
}

/**
 * Trains a model: θ ← θ + transform(∇ objective). Weights are made by a parametrization where one works on their site; all others are trained
 * by their floats, those of a tree through its codec, which stays the tree that it is: codes, masks and other whole numbers, buffers and what
 * no stage uses stay byte for byte, but for the running measures of batch norms. Teacher and student run in one recorded step.
 * Throws BAD_OPTION; COMPOSITION for a tree without floats and for a stage without gradients; NOT_FOUND for places and groups that are not
 * there; BAD_DATA for a batch without what a term needs, or with tokens that the student does not know; SHAPE for a teacher with other words
 * or classes; NOT_FINITE where the loss is no number; RESUME for a checkpoint of another training; an abort frees all tensors.
 */
export const train = async <M extends Model>(model: M, given: TrainOptions): Promise<M> => {
  const options = { ...given, data: knownTokens(model, given) }
  const { name = 'train', transform, steps, data, plan, average, checkpoint, exchange, signal, onProgress, statistics = 'batch' } = options
  checkFit({ ...options, name })
  checkStatistics(name, statistics)
  const rng = options.rng ?? createRng(options.seed ?? 0).fork('train')
  const student = await studentOf(model, options, rng)
  try {
    const { trained, given: taught, loss, between, blame } = student
    const withWeightsAt =
      (step: number): WithWeights =>
      work =>
        withWeights(student, step, steps, work)
    await fit({
      data: (step: number, stream: Rng) => data(step, stream, withWeightsAt(step)),
      ...{ name, transform, steps, rng, trained, given: taught, loss, between, blame, ...watchOf(student, options) },
      ...{ ...(plan && { plan }), ...(average && { average }), ...(checkpoint && { checkpoint }), ...(exchange && { exchange }) },
      ...{ ...(signal && { signal }), ...(onProgress && { onProgress }) },
    })
    return await store(model, student, options)
  } finally {
    student.dispose()
  }
}
