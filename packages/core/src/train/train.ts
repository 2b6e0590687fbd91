import * as tf from '@tensorflow/tfjs-core'
import { CompressionError, DTYPES, fromFloat32, memorySink, type DType, type ParameterSink } from '@tersor/tensor'
import { decode } from '../decode.js'
import { forward } from '../forward.js'
import type { ProgressEvent } from '../progress-event.js'
import { sitesOf, type Model, type Site, type Weights } from '../model.js'
import { createRng, type Rng } from '../rng.js'
import type { GradientTransform, State } from './gradient-transform.js'
import { registerGradients } from '@tersor/kernels'
import type { Batch, Loss } from './losses.js'
import type { Parametrization, TrainingState } from './parametrization.js'

export interface TrainOptions {
  readonly objective: Loss
  readonly transform: GradientTransform
  /** The batch of a step; the trainer frees it. */
  readonly data: (step: number, rng: Rng) => Batch | Promise<Batch>
  readonly steps: number
  /** How the weights of linear and convolution sites are made; themselves where absent. */
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

interface Trained {
  readonly name: string
  readonly variables: Readonly<Record<string, tf.Variable>>
  readonly site?: Site
}

/**
 * Trains every float parameter of a model: θ ← θ + transform(∇ objective).
 * Throws BAD_OPTION for steps below 1 and NOT_FINITE when the loss is no number; an abort frees all tensors.
 */
export const train = async (model: Model, options: TrainOptions): Promise<Model> => {
  if (!Number.isInteger(options.steps) || options.steps < 1) {
    throw new CompressionError('BAD_OPTION', `train takes steps of at least 1, got ${options.steps}.`, 'Pass a positive integer.')
  }
  registerGradients()
  const rng = createRng(options.seed ?? 0).fork('train')
  const trained = await makeVariables(model, options, rng)
  const variables = trained.flatMap(entry => Object.values(entry.variables))
  const weights = weightsOf(trained, options.parametrize)
  let states: State[] = variables.map(variable => keepAll(options.transform.init(variable.shape) as State))
  try {
    for (let step = 0; step < options.steps; step++) {
      options.signal?.throwIfAborted()
      const batch = await options.data(step, rng.fork(`batch ${step}`))
      const result = takeStep(model, options, variables, states, weights, batch, step, rng)
      tf.dispose([batch.input, batch.target])
      release(states, result.states)
      states = result.states
      applyConstraint(trained, options.parametrize, step)
      const loss = (await result.loss.data())[0]
      result.loss.dispose()
      checkLoss(loss, step)
      options.onProgress?.({ type: 'trained', pass: 'train', step: step + 1, of: options.steps, loss })
      if (options.inspect && (step + 1) % options.inspect.every === 0) await options.inspect.run(weights, step + 1)
    }
    const params = await store(model, trained, options)
    return { ...model, params }
  } finally {
    tf.dispose(variables)
    release(states, [])
  }
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

const makeVariables = async (model: Model, { parametrize, signal }: TrainOptions, rng: Rng): Promise<Trained[]> => {
  const sites = new Map(sitesOf(model).map(site => [site.weight, site]))
  const names = [...new Set(model.stages.flatMap(stage => stage.parameters))]
  const trained: Trained[] = []
  for (const name of names) {
    const parameter = await model.params.read(name, signal ? { signal } : {})
    const site = sites.get(name)
    const state = tf.tidy(() => {
      const weight = decode(parameter)
      const made = parametrize && site && site.kind !== 'embedding' ? parametrize.init(site, weight, rng.fork(name)) : { weight }
      return Object.fromEntries(Object.entries(made).map(([part, value]) => [part, tf.variable(value as tf.Tensor)]))
    })
    trained.push({ name, variables: state, ...(site && site.kind !== 'embedding' ? { site } : {}) })
  }
  return trained
}

const weightsOf = (trained: readonly Trained[], parametrize?: Parametrization): Weights => {
  const byName = new Map(trained.map(entry => [entry.name, entry]))
  return name => {
    const entry = byName.get(name)!
    return parametrize && entry.site ? parametrize.weight(entry.variables) : entry.variables.weight
  }
}

const takeStep = (
  model: Model,
  { objective, transform, clipNorm }: TrainOptions,
  variables: readonly tf.Variable[],
  states: readonly State[],
  weights: Weights,
  batch: Batch,
  step: number,
  rng: Rng,
): { loss: tf.Scalar; states: State[] } =>
  tf.tidy(() => {
    const { value, grads } = tf.variableGrads(() => objective(forward(model, batch.input, { weights }), batch), [...variables])
    const factor = clipNorm === undefined ? undefined : clipFactor(Object.values(grads).filter(Boolean), clipNorm)
    const next = variables.map((variable, i) => {
      const raw = grads[variable.name] ?? tf.zerosLike(variable)
      const gradient = factor ? tf.mul(raw, factor) : raw
      const [update, state] = transform.update(gradient, states[i], { parameter: variable, step, rng: rng.fork(`${step} ${i}`) })
      variable.assign(tf.add(variable, update))
      return state as State
    })
    keepAll(next)
    return { loss: value, states: next }
  })

/** min(1, limit / ‖all gradients‖). */
const clipFactor = (gradients: readonly tf.Tensor[], limit: number): tf.Tensor => {
  const norm = tf.sqrt(tf.addN(gradients.map(gradient => tf.sum(tf.square(gradient)))))
  return tf.minimum(1, tf.div(limit, tf.add(norm, 1e-12)))
}

const applyConstraint = (trained: readonly Trained[], parametrize: Parametrization | undefined, step: number): void => {
  if (!parametrize?.constraint) return
  for (const entry of trained) {
    if (!entry.site) continue
    tf.tidy(() => {
      const next = parametrize.constraint!(entry.variables, step)
      for (const [part, value] of Object.entries(next as TrainingState))
        if (value !== entry.variables[part]) entry.variables[part].assign(value as tf.Tensor)
    })
  }
}

const store = async (model: Model, trained: readonly Trained[], { parametrize, sink = memorySink }: TrainOptions) => {
  const out = sink()
  try {
    for (const { name, variables, site } of trained) {
      const info = model.params.info(name)
      const dtype: DType = info.dtype && DTYPES[info.dtype].kind === 'float' ? info.dtype : 'f32'
      const finished =
        parametrize && site
          ? await parametrize.finish(variables)
          : fromFloat32(await variables.weight.data<'float32'>(), dtype, variables.weight.shape)
      await out.write(name, finished)
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
