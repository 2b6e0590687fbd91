import * as tf from '@tensorflow/tfjs-core'
import { registerGradients } from '@tersor/kernels/gradients'
import { CompressionError, memorySink, type ParameterSink } from '@tersor/tensor'
import type { Model, Weights } from '../model/model.js'
import type { ProgressEvent } from '../run/progress-event.js'
import { createRng, type Rng } from '../run/rng.js'
import { applied, type GradientTransform, type State } from './gradient-transform.js'
import type { Batch, Loss } from './losses.js'
import type { Parametrization } from './parametrization.js'
import { gradientsOf, type Gradients } from './recorded-step.js'
import { trainedParameters, type TrainedParameter } from './trained-parameter.js'

export interface TrainOptions {
  /** A function of its arguments alone: it is recorded at the first step. */
  readonly objective: Loss
  readonly transform: GradientTransform
  /** The batch of a step; the trainer frees it. */
  readonly data: (step: number, rng: Rng) => Batch | Promise<Batch>
  readonly steps: number
  /** How the weights of sites are made; themselves where absent, and where it does not work on a site. */
  readonly parametrize?: Parametrization
  /** Gradients are scaled down together where their joint norm is larger. */
  readonly clipNorm?: number
  readonly seed?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (event: ProgressEvent) => void
  readonly sink?: () => ParameterSink
  /** Looks at the weights in training, every so many steps. */
  readonly inspect?: { readonly every: number; run(weights: Weights, step: number): void | Promise<void> }
}

/** Variables in training, with the states of the transform. */
interface Training {
  /** By name, which is also the name of their stream of random numbers. */
  readonly variables: readonly (readonly [name: string, variable: tf.Variable])[]
  states: readonly State[]
}

/**
 * Trains the floats of a model: θ ← θ + transform(∇ objective). Trees are trained by their payload and keep what they are; whole numbers,
 * buffers of the stages and what no stage uses stay byte for byte.
 * Throws BAD_OPTION, COMPOSITION for a tree without floats in its payload and for a stage without gradients, and NOT_FINITE when the loss
 * is no number; an abort frees all tensors.
 */
export const train = async (model: Model, options: TrainOptions): Promise<Model> => {
  checkOptions(options)
  registerGradients()
  const { parametrize, signal } = options
  const rng = createRng(options.seed ?? 0).fork('train')
  const trained = await trainedParameters(model, { rng, ...(parametrize && { parametrize }), ...(signal && { signal }) })
  try {
    await fit(model, trained, options, rng)
    return { ...model, params: await store(model, trained, options) }
  } finally {
    trained.forEach(each => each.dispose())
  }
}

const fit = async (model: Model, trained: readonly TrainedParameter[], options: TrainOptions, rng: Rng): Promise<void> => {
  const { transform, steps, signal, inspect, onProgress } = options
  const variables = trained.flatMap(each => [...each.variables])
  const training: Training = { variables, states: [] }
  const weights = weightsOf(trained)
  const gradients = await gradientsOf({ ...options, model, weights, variables: variables.map(([, variable]) => variable) })
  try {
    training.states = variables.map(([, variable]) => keepAll(tf.tidy(() => transform.init(variable.shape) as State)))
    for (let at = 0; at < steps; at++) {
      signal?.throwIfAborted()
      const loss = await takeStep(training, gradients, options, at, rng)
      for (const { constrain } of trained) constrain?.(at)
      checkLoss(loss, at)
      onProgress?.({ type: 'trained', pass: 'train', step: at + 1, of: steps, loss })
      if (inspect && (at + 1) % inspect.every === 0) await withWeights(weights, lent => inspect.run(lent, at + 1))
    }
  } finally {
    gradients.dispose()
    release(training.states, [])
  }
}

const checkOptions = ({ steps, clipNorm, inspect }: TrainOptions): void => {
  const refuse = (what: string, remedy: string): never => {
    throw new CompressionError('BAD_OPTION', what, remedy)
  }
  if (!Number.isInteger(steps) || steps < 1) refuse(`train takes steps of at least 1, got ${steps}.`, 'Pass a positive integer.')
  if (clipNorm !== undefined && !(clipNorm > 0)) refuse(`train got clipNorm = ${clipNorm}.`, 'Pass a positive number, or leave it out.')
  if (inspect && (!Number.isInteger(inspect.every) || inspect.every < 1))
    refuse(`train got inspect.every = ${inspect.every}.`, 'Pass a positive integer: steps from one look to the next.')
}

const checkLoss = (loss: number, step: number): void => {
  if (Number.isFinite(loss)) return
  throw new CompressionError(
    'NOT_FINITE',
    `The loss of step ${step + 1} is ${loss}.`,
    'Lower the learning rate, lengthen the warm-up or set clipNorm.',
    { step },
  )
}

const weightsOf = (trained: readonly TrainedParameter[]): Weights => {
  const byName = new Map(trained.map(each => [each.name, each]))
  return name => byName.get(name)!.weight()
}

/** Lends weights to someone who does not free them. */
const withWeights = async (weights: Weights, work: (weights: Weights) => void | Promise<void>): Promise<void> => {
  const lent = new Map<string, tf.Tensor>()
  try {
    await work(name => {
      const tensor = lent.get(name) ?? tf.keep(tf.tidy(() => tf.clone(weights(name))))
      lent.set(name, tensor)
      return tensor
    })
  } finally {
    lent.forEach(tensor => tensor.dispose())
  }
}

/** What a batch gives; it is freed then. */
const used = <T>(batch: Batch, work: (batch: Batch) => T): T => {
  try {
    return work(batch)
  } finally {
    tf.dispose({ ...batch })
  }
}

/** Moves the variables by one batch; its loss before the step. */
const takeStep = async (
  training: Training,
  gradientsOfBatch: (batch: Batch) => Gradients,
  { data, transform }: TrainOptions,
  step: number,
  rng: Rng,
): Promise<number> => {
  const batch = await data(step, rng.fork(`batch ${step}`))
  const { loss, gradients } = used(batch, gradientsOfBatch)
  try {
    const next = tf.tidy(() =>
      keepAll(
        training.variables.map(([name, variable], i) => {
          const gradient = gradients[i] ?? tf.zerosLike(variable)
          const context = { parameter: variable, step, rng: rng.fork(`${step}:${name}`) }
          const [moved, state] = applied(transform, gradient, training.states[i], context)
          variable.assign(moved)
          return state as State
        }),
      ),
    )
    release(training.states, next)
    training.states = next
    return (await loss.data())[0]
  } finally {
    tf.dispose([loss, ...gradients.filter(gradient => gradient !== undefined)])
  }
}

/** Writes every parameter of the store, trained or as it was. */
const store = async (model: Model, trained: readonly TrainedParameter[], { sink = memorySink, signal }: TrainOptions) => {
  const byName = new Map(trained.map(each => [each.name, each]))
  const out = sink()
  try {
    for (const name of model.params.names()) {
      signal?.throwIfAborted()
      await out.write(name, await (byName.get(name)?.finish() ?? model.params.read(name)))
    }
    return await out.finish()
  } catch (error) {
    await out.abort()
    throw error
  }
}

/** All tensors of a nested state. */
const tensorsIn = (state: State): tf.Tensor[] => {
  if (state instanceof tf.Tensor) return [state]
  if (state === null || typeof state !== 'object') return []
  return Object.values(state as Record<string, State>).flatMap(tensorsIn)
}

const keepAll = <S extends State>(state: S): S => {
  tensorsIn(state).forEach(tensor => tf.keep(tensor))
  return state
}

/** Frees what the next state no longer holds. */
const release = (states: readonly State[], next: readonly State[]): void => {
  const held = new Set(tensorsIn(next as State))
  for (const tensor of tensorsIn(states as State)) if (!held.has(tensor)) tensor.dispose()
}
