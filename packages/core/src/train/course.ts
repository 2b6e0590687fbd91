import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { Rng } from '../run/rng.js'
import { averagesOf, type Averages } from './average.js'
import { tensorsOf } from './backward.js'
import { checkpointsOf, digestOfBatch, type Checkpoints, type Identity } from './checkpoint.js'
import { restoreExchange, tensorsOfExchange, type ExchangeState } from './exchange.js'
import type { FitOptions, Trained } from './fit-options.js'
import { applied, type GradientTransform, type State } from './gradient-transform.js'
import { once } from './plan.js'
import { keepAll, release, tensorsIn, withTensors } from './state.js'
import { watchingOf, type Watching } from './watch.js'

/** What changes from step to step. */
export interface Course {
  readonly variables: readonly tf.Variable[]
  /** Those that gradients move. */
  readonly moving: readonly Trained[]
  states: readonly State[]
  /** Of what moves, where there is an exchange. */
  readonly exchange: readonly ExchangeState[]
  readonly averages?: Averages
  readonly watching?: Watching
  readonly checkpoints?: Checkpoints
  identity: Identity
}

/** What the transform moves, in order. Throws what the transform finds wrong with it, and BAD_OPTION where nothing is left. */
const movingOf = (name: string, trained: readonly Trained[], transform: GradientTransform): readonly Trained[] => {
  const able = trained.filter(({ moves = true }) => moves)
  if (able.length === 0) throw new CompressionError('BAD_OPTION', `${name} has nothing to train.`, 'Leave something that is not `frozen`.')
  transform.check?.(able)
  const moving = able.filter(each => transform.moves?.(each) ?? true)
  if (moving.length > 0) return moving
  throw new CompressionError('BAD_OPTION', `${name} has nothing to train: ${transform.name} moves none of ${able.length} variables.`, 'Give one of them a transform that moves it.') // prettier-ignore
}

/** A course at its beginning. Throws as `movingOf` does. */
export const begin = <B extends object, G>(options: FitOptions<B, G>): Course => {
  const { name = 'fit', trained, transform, average, watch, checkpoint, exchange } = options
  const variables = trained.map(({ variable }) => variable)
  const moving = movingOf(name, trained, transform)
  exchange?.check?.(moving, transform)
  return {
    variables,
    moving,
    states: moving.map(each => keepAll(tf.tidy(() => transform.init(each.variable.shape, each) as State))),
    exchange: exchange ? moving.map(each => exchange.init(each.variable.shape, each)) : [],
    ...(average && { averages: averagesOf(variables, average) }),
    ...(watch && { watching: watchingOf(variables, watch) }),
    ...(checkpoint && { checkpoints: checkpointsOf(checkpoint) }),
    identity: {},
  }
}

/** Tensors of a course by name, so that they can be put back. */
const namedTensors = ({ moving, states, averages, watching }: Course, trained: readonly Trained[]): ReadonlyMap<string, tf.Tensor> => {
  const of = (kind: string, tensors: readonly tf.Tensor[]) => tensors.map((tensor, i) => [`${kind} ${trained[i].name}`, tensor] as const)
  return new Map([
    ...of('value', trained.map(({ variable }) => variable)), // prettier-ignore
    ...states.flatMap((state, i) => tensorsIn(state).map((tensor, at) => [`state ${moving[i].name} ${at}`, tensor] as const)),
    ...of('average', averages?.tensors ?? []),
    ...of('best', watching?.copies ?? []),
  ])
}

/** What must be the same for a training to go on. */
const identityOf = async <B extends object, G>(
  { trained, transform, plan = once, data, steps, exchange }: FitOptions<B, G>,
  rng: Rng,
): Promise<Identity> => {
  const first = await data(0, rng.fork('batch 0'))
  try {
    const shapes = trained.map(({ name, variable }) => `${name} [${variable.shape}]`).join(', ')
    const alone = { steps: String(steps), transform: transform.name, plan: plan.name, variables: shapes, data: await digestOfBatch(first) }
    return exchange ? { ...alone, exchange: exchange.name } : alone
  } finally {
    tf.dispose(tensorsOf(first).map(([, tensor]) => tensor))
  }
}

/** Puts back what a checkpoint holds; the step to go on with. */
export const resume = async <B extends object, G>(course: Course, options: FitOptions<B, G>, rng: Rng): Promise<number> => {
  if (!course.checkpoints) return 0
  course.identity = await identityOf(options, rng)
  const found = await course.checkpoints.load(course.identity)
  if (!found) return 0
  const { name = 'fit', trained, onProgress } = options
  const [step, best, since] = found.numbers
  const take = (key: string): tf.Tensor => found.tensors.get(key)!
  trained.forEach(({ name, variable }) => variable.assign(take(`value ${name}`)))
  tf.dispose(trained.map(each => take(`value ${each.name}`)))
  const before = course.states
  course.states = before.map((state, i) => {
    let at = 0
    return withTensors(state, () => take(`state ${course.moving[i].name} ${at++}`))
  })
  release(before, [])
  await restoreExchange(course.exchange, course.moving, take)
  course.averages?.replace(trained.map(each => take(`average ${each.name}`)))
  if (course.watching) {
    const copies = trained.flatMap(each => found.tensors.get(`best ${each.name}`) ?? [])
    Object.assign(course.watching, { best, since, copies })
  }
  onProgress?.({ type: 'resumed', pass: name, stage: `step ${step}`, index: step, of: options.steps })
  return step
}

/** Writes down where a course stands, behind a step counted from 1. */
export const save = async (course: Course, trained: readonly Trained[], step: number): Promise<void> => {
  const { checkpoints, identity, watching } = course
  const numbers = [step, watching?.best ?? Infinity, watching?.since ?? 0]
  const exchange = tensorsOfExchange(course.exchange, course.moving)
  try {
    await checkpoints?.save({ identity, numbers, tensors: new Map([...namedTensors(course, trained), ...exchange]) })
  } finally {
    tf.dispose([...exchange.values()])
  }
}

/** What moves the variables of a course: gradients in its order, and their joint norm. */
interface Push {
  readonly gradients: readonly tf.Tensor[]
  readonly norm: tf.Scalar
}

/** Moves the variables by their gradients. */
export const update = (course: Course, { gradients, norm }: Push, transform: GradientTransform, step: number, rng: Rng): void => {
  const next = tf.tidy(() =>
    keepAll(
      course.moving.map(({ variable, ...trained }, i) => {
        const context = { ...trained, parameter: variable, step, rng: rng.fork(`${step}:${trained.name}`), norm }
        const [moved, state] = applied(transform, gradients[i], course.states[i], context)
        variable.assign(moved)
        return state as State
      }),
    ),
  )
  release(course.states, next)
  course.states = next
}

/** Puts in the variables what is to stand at the end. */
export const conclude = ({ averages, watching }: Course): void => {
  if (watching && watching.copies.length > 0) watching.restore()
  else averages?.exchange()
}

export const disposeCourse = ({ states, averages, watching }: Course): void => {
  release(states, [])
  averages?.dispose()
  watching?.dispose()
}
