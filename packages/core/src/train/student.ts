import * as tf from '@tensorflow/tfjs-core'
import { addTensors } from '@tersor/kernels/add-tensors'
import type { Env, Model, Statistics, Weights } from '../model/model.js'
import { loadModel, type LoadedWeights } from '../model/load.js'
import type { Rng } from '../run/rng.js'
import type { Backward } from './backward.js'
import { isTreatment } from './by-place.js'
import type { Trained } from './fit-options.js'
import type { Batch } from './losses.js'
import { momentOf, type Clock, type Moment } from './moment.js'
import { termsOf, weightedLoss, type WeightedTerm } from './objective.js'
import type { TrainingState } from './parametrization.js'
import { checkTeacher, needsTeacher, outputsOf, placesOf, sceneFor } from './scene.js'
import { followStatistics, momentsOf, statisticsOf } from './statistics.js'
import type { TrainOptions } from './train-options.js'
import { trainedParameters, variablesOf, type TrainedParameter } from './trained-parameter.js'

type Outputs = ReturnType<typeof outputsOf>

/** A model in training: its parameters, what its terms need, and its teacher. */
export interface Student {
  readonly parameters: readonly TrainedParameter[]
  readonly trained: readonly Trained[]
  weights(moment: Moment): Weights
  /** The teacher's outputs; nothing without one. */
  given(batch: Batch, moment: Moment): Outputs | undefined
  loss(batch: Batch, moment: Moment, teacher: Outputs | undefined): tf.Scalar
  /** Projections and running measures, behind an update. */
  between(clock: Clock, told: Backward['told']): void
  /** The term whose loss is no number. */
  blame(batch: Batch, clock: Clock): Promise<string | undefined>
  dispose(): void
}

/** The weights of a step, each made once: what they are is on the tape of the loss. */
const weightsIn = (parameters: readonly TrainedParameter[], moment: Moment): Weights => {
  const made = new Map(parameters.map(parameter => [parameter.name, parameter.weight(moment)]))
  return name => made.get(name)!
}

/** What sites multiply in the place of their inputs, where a parametrization says so. */
const activationIn = (parameters: readonly TrainedParameter[], moment: Moment): Pick<Env, 'activation'> => {
  const inputs = new Map(parameters.flatMap(({ site, input }) => (site && input ? [[site.name, input] as const] : [])))
  return inputs.size === 0 ? {} : { activation: (site, x) => inputs.get(site.name)?.(x, moment) ?? x }
}

/** Terms with tensors of their own, made of a first scene, and their variables. */
interface OwnedTerm {
  readonly weighted: WeightedTerm
  readonly state: TrainingState
  readonly trained: readonly Trained[]
}

interface Stage {
  readonly model: Model
  readonly options: TrainOptions
  readonly parameters: readonly TrainedParameter[]
  readonly norms: readonly Statistics[]
  readonly teacher: LoadedWeights | undefined
}

const taught = ({ options, teacher }: Stage, terms: readonly WeightedTerm[], batch: Batch, moment: Moment): Outputs | undefined =>
  options.teacher && teacher && outputsOf(options.teacher, batch, { weights: teacher.weights }, placesOf(terms, 'teacher'), moment)

const learned = ({ model, options, parameters, norms }: Stage, terms: readonly WeightedTerm[], batch: Batch, moment: Moment): Outputs => {
  const { statistics = 'batch' } = options
  const weights = weightsIn(parameters, moment)
  const moments = norms.length > 0 && statistics !== 'stored' ? { moments: momentsOf(statistics, moment) } : {}
  return outputsOf(model, batch, { weights, ...activationIn(parameters, moment), ...moments }, placesOf(terms, 'student'), moment)
}

/** What a loss is made of: terms, and what parametrizations add. */
const partsOf = (stage: Stage, owned: readonly OwnedTerm[], batch: Batch, moment: Moment, teacher: Outputs | undefined) => {
  const student = learned(stage, owned.map(({ weighted }) => weighted), batch, moment) // prettier-ignore
  const terms = owned.map(({ weighted, state }) => ({
    name: `the term "${weighted.term.name}"`,
    value: weightedLoss(weighted, sceneFor(weighted.term, batch, student, teacher, moment), state),
  }))
  const penalties = stage.parameters.flatMap(({ name, penalty }) =>
    penalty ? [{ name: `the penalty of "${name}"`, value: penalty(moment) }] : [],
  )
  return [...terms, ...penalties]
}

/** A scene of a first batch, run plainly, for terms that make tensors of their own. */
const ownTerms = (stage: Stage, terms: readonly WeightedTerm[], batch: Batch, rng: Rng): readonly OwnedTerm[] => {
  if (!terms.some(({ term }) => term.init)) return terms.map(weighted => ({ weighted, state: {}, trained: [] }))
  const { moment, taken } = momentOf({ step: 0, of: stage.options.steps, rng: rng.fork('terms') })
  const states: Record<string, tf.Variable>[] = []
  try {
    tf.tidy(() => {
      const [student, teacher] = [learned(stage, terms, batch, moment), taught(stage, terms, batch, moment)]
      for (const [index, { term }] of terms.entries()) {
        const made = (term.init?.(sceneFor(term, batch, student, teacher, moment), rng.fork(`term ${index}`)) ?? {}) as TrainingState
        states.push(Object.fromEntries(Object.entries(made).map(([part, value]) => [part, tf.variable(value)])))
      }
    })
  } finally {
    tf.dispose([...taken.held, ...taken.told.map(([, value]) => value)])
  }
  return terms.map((weighted, index) => {
    const named = Object.entries(states[index])
    const trained = named.map(([part, variable]) => ({ name: `${weighted.term.name} ${index}.${part}`, variable }))
    return { weighted, state: states[index], trained }
  })
}

/** Whether something is made of a first batch before the training. */
const looks = (terms: readonly WeightedTerm[], parametrize: TrainOptions['parametrize']): boolean => {
  const hows = parametrize && 'cases' in parametrize ? parametrize.cases.map(([, how]) => how) : parametrize ? [parametrize] : []
  return terms.some(({ term }) => term.init) || hows.some(how => !isTreatment(how) && how.sees)
}

/** Lends the first batch. */
const withFirst = async <T>(model: Model, { data, signal }: TrainOptions, rng: Rng, work: (batch: Batch) => Promise<T>): Promise<T> => {
  const batch = await data(0, rng.fork('batch 0'), async lent => {
    const { weights, dispose } = await loadModel(model, signal)
    try {
      return await lent(weights)
    } finally {
      dispose()
    }
  })
  try {
    return await work(batch)
  } finally {
    tf.dispose({ ...batch })
  }
}

/** Loads a model into training. Throws as `trainedParameters` does, and BAD_OPTION for a term without its teacher. */
export const studentOf = async (model: Model, options: TrainOptions, rng: Rng): Promise<Student> => {
  const terms = termsOf(options.objective)
  checkTeacher(terms, options.teacher)
  if (!looks(terms, options.parametrize)) return open(model, options, terms, rng)
  return withFirst(model, options, rng, batch => open(model, options, terms, rng, batch))
}

const open = async (model: Model, options: TrainOptions, terms: readonly WeightedTerm[], rng: Rng, batch?: Batch): Promise<Student> => {
  const { parametrize, signal, teacher, source, statistics = 'batch' } = options
  const norms = statistics === 'stored' ? [] : statisticsOf(model)
  const running = new Set(norms.flatMap(({ mean, variance }) => [mean, variance]))
  const parameters = await trainedParameters(model, {
    ...{ rng, running, ...(parametrize && { parametrize }), ...(signal && { signal }) },
    ...{ ...(source && { source: source.params }), ...(batch && { batch }) },
  })
  const opened: { dispose(): void }[] = [...parameters]
  const dispose = (): void => opened.forEach(each => each.dispose())
  try {
    const loaded = teacher && needsTeacher(terms) ? await loadModel(teacher, signal) : undefined
    if (loaded) opened.push(loaded)
    const stage: Stage = { model, options, parameters, norms, teacher: loaded }
    const owned = ownTerms(stage, terms, batch!, rng)
    const own = owned.flatMap(({ trained }) => trained)
    opened.push(...own.map(({ variable }) => variable))
    return { ...methodsOf(stage, owned), parameters, trained: [...variablesOf(parameters), ...own], dispose }
  } catch (error) {
    dispose()
    throw error
  }
}

const methodsOf = (stage: Stage, owned: readonly OwnedTerm[]): Omit<Student, 'parameters' | 'trained' | 'dispose'> => {
  const { parameters, norms } = stage
  const given: Student['given'] = (batch, moment) => taught(stage, owned.map(({ weighted }) => weighted), batch, moment) // prettier-ignore
  const variables = variablesOf(parameters)
  return {
    given,
    weights: moment => weightsIn(parameters, moment),
    loss: (batch, moment, teacher) => addTensors(partsOf(stage, owned, batch, moment, teacher).map(({ value }) => value)) as tf.Scalar,
    between: (clock, told) => {
      followStatistics(norms, variables, told)
      for (const { constrain } of parameters) constrain?.(clock)
    },
    blame: async (batch, clock) => {
      const { moment, taken } = momentOf(clock)
      const parts = tf.tidy(() =>
        partsOf(stage, owned, batch, moment, given(batch, moment)).map(({ name, value }) => ({ name, value: tf.keep(value) })),
      )
      try {
        for (const { name, value } of parts) if (!Number.isFinite((await value.data())[0])) return name
        return undefined
      } finally {
        tf.dispose([...parts.map(({ value }) => value), ...taken.held, ...taken.told.map(([, value]) => value)])
      }
    },
  }
}
