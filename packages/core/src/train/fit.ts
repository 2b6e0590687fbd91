import * as tf from '@tensorflow/tfjs-core'
import { registerGradients } from '@tersor/kernels/gradients'
import { CompressionError } from '@tersor/tensor'
import { createRng, type Rng } from '../run/rng.js'
import { backwardOf, disposeBackward, tensorsOf, type BackwardOf } from './backward.js'
import { begin, conclude, disposeCourse, resume, save, update, type Course } from './course.js'
import { beginningsOf, exchanged } from './exchange.js'
import { checkFit, type FitOptions } from './fit-options.js'
import { jointNorm } from './joint-norm.js'
import type { Clock } from './moment.js'
import { once } from './plan.js'

const notFinite = (what: string, step: number): CompressionError =>
  new CompressionError('NOT_FINITE', what, 'Lower the learning rate, lengthen the warm-up or put clip({ norm: 1 }) before the optimiser.', {
    step,
  })

/** Lends the variables with something added to them. */
const shifted = async <T>(course: Course, shift: readonly tf.Tensor[] | undefined, work: () => Promise<T>): Promise<T> => {
  if (!shift) return work()
  const values = course.moving.map(({ variable }) => tf.keep(tf.clone(variable)))
  try {
    tf.tidy(() => course.moving.forEach(({ variable }, i) => void variable.assign(tf.add(variable, shift[i]))))
    return await work()
  } finally {
    course.moving.forEach(({ variable }, i) => void variable.assign(values[i]))
    tf.dispose(values)
  }
}

/** Loss, gradients and their norm of a step; its loss is a number, unless other workers must be told first that it is none. */
const backwardIn = async <B extends object, G>(
  course: Course,
  options: FitOptions<B, G>,
  backward: BackwardOf<B>,
  batch: B,
  clock: Clock,
) => {
  const { name = 'fit', plan = once, blame, exchange } = options
  const made = await plan.step({
    batch,
    clock,
    of: ({ batch: other = batch, shift } = {}) => shifted(course, shift, () => backward(other, clock)),
  })
  const [loss] = await made.loss.data()
  if (Number.isFinite(loss) || exchange) return { ...made, norm: made.norm ?? jointNorm(made.gradients), value: loss }
  disposeBackward(made)
  const part = await blame?.(batch, clock)
  throw notFinite(`The loss of step ${clock.step + 1} of ${name} is ${loss}${part === undefined ? '' : `, by ${part}`}.`, clock.step)
}

/** Loss and gradients of all workers in the place of this one's. */
const meet = async <B extends object, G>(
  course: Course,
  { exchange, signal }: FitOptions<B, G>,
  made: Awaited<ReturnType<typeof backwardIn>>,
  { step, rng }: Clock,
): Promise<Awaited<ReturnType<typeof backwardIn>>> => {
  if (!exchange) return made
  try {
    const facts = { step, loss: made.value, rng: rng.fork('exchange'), signal }
    const begins = step === 0 ? await beginningsOf(course.moving.map(({ variable }) => variable)) : undefined
    const { loss, gradients } = await exchanged(exchange, course.exchange, course.moving, made.gradients, facts, begins)
    tf.dispose([...made.gradients, made.norm])
    return { ...made, value: loss, gradients, norm: jointNorm(gradients) }
  } catch (error) {
    disposeBackward(made)
    throw error
  }
}

/** Moves what is trained by one batch. */
const takeStep = async <B extends object, G>(
  course: Course,
  options: FitOptions<B, G>,
  backward: BackwardOf<B>,
  clock: Clock,
  rng: Rng,
): Promise<{ readonly loss: number; readonly norm: number }> => {
  const { name = 'fit', data, transform, between } = options
  const { step } = clock
  const batch = await data(step, rng.fork(`batch ${step}`))
  try {
    const made = await meet(course, options, await backwardIn(course, options, backward, batch, clock), clock)
    try {
      update(course, made, transform, step, rng)
      const [norm] = await made.norm.data()
      if (!Number.isFinite(norm)) throw notFinite(`The gradients of step ${step + 1} of ${name} have the norm ${norm}.`, step)
      await between?.(clock, made.told)
      return { loss: made.value, norm }
    } finally {
      disposeBackward(made)
    }
  } finally {
    tf.dispose(tensorsOf(batch).map(([, tensor]) => tensor))
  }
}

/** What follows a step: averages, a look, a checkpoint; whether the training stops. */
const follow = async <B extends object, G>(
  course: Course,
  { trained, steps, checkpoint }: FitOptions<B, G>,
  step: number,
): Promise<boolean> => {
  const { averages, watching } = course
  averages?.follow(step)
  let stops = step === steps
  if (watching) {
    averages?.exchange()
    try {
      stops = (await watching.look(step, steps)) || stops
    } finally {
      averages?.exchange()
    }
  }
  if (checkpoint && (stops || step % checkpoint.every === 0)) await save(course, trained, step)
  return stops
}

/**
 * Trains any tensors by any loss: θ ← θ + transform(∇ loss). On @tersor/backend-ort the step is recorded at the first batch of a shape.
 * Throws BAD_OPTION; what the transform finds wrong with what is trained; NOT_FINITE for a loss or gradients that are no numbers; RESUME
 * for a checkpoint of another training; an abort frees all but the variables.
 */
export const fit = async <B extends object, G = undefined>(options: FitOptions<B, G>): Promise<void> => {
  checkFit(options)
  registerGradients()
  const { name = 'fit', steps, signal, onProgress } = options
  const rng = options.rng ?? createRng(0)
  const course = begin(options)
  const variables = course.moving.map(({ variable }) => variable)
  const { loss, given } = options
  const backward = backwardOf({ variables, loss, ...(given && { given }) })
  try {
    let step = await resume(course, options, rng)
    let stops = step === steps || (course.watching?.stopped() ?? false)
    while (!stops) {
      signal?.throwIfAborted()
      const clock = { step, of: steps, rng: rng.fork(`step ${step}`) }
      const seen = await takeStep(course, options, backward, clock, rng)
      step++
      stops = await follow(course, options, step)
      onProgress?.({ type: 'trained', pass: name, step, of: steps, ...seen })
    }
    conclude(course)
  } finally {
    backward.dispose()
    disposeCourse(course)
  }
}
