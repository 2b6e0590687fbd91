import * as tf from '@tensorflow/tfjs-core'
import { sizeOf, type Shape } from '@tersor/tensor'
import type { Rng } from '../run/rng.js'

/** Where training stands. */
export interface Clock {
  /** 0 for the first. */
  readonly step: number
  /** How many there are. */
  readonly of: number
  /** Random numbers of this step. */
  readonly rng: Rng
}

/**
 * The step as a loss or a parametrization sees it. What they make of `scalar` and `tensor` is an input of the recorded step, so that it changes
 * from step to step; one that reads `step` or `rng` by itself is right as well, but runs its JavaScript each time.
 */
export interface Moment extends Clock {
  /** A number of the step, such as a temperature that falls. */
  scalar(value: (clock: Clock) => number): tf.Scalar
  /** Numbers of the step, such as noise; `rng` is a stream of its own. */
  tensor(shape: Shape, values: (clock: Clock) => ArrayLike<number>): tf.Tensor
  /** A tensor's value to the end of the step's loss, past the tidy it was made in. */
  hold(value: tf.Tensor): tf.Tensor
  /** Hands out a value of this step beside the loss; see `FitOptions.between`. */
  tell(name: string, value: tf.Tensor): void
}

/** Numbers that a function takes from the moment. */
export interface Asked {
  readonly shape: Shape
  readonly values: (clock: Clock) => ArrayLike<number>
}

/** What a function made of its moment. */
export interface Taken {
  /** In the order in which it asked. */
  readonly asked: Asked[]
  readonly held: tf.Tensor[]
  readonly told: (readonly [name: string, value: tf.Tensor])[]
  /** Whether it read the step or the randomness by itself: what it made of them cannot be recorded. */
  read: boolean
}

/** The numbers that are asked for at a step; the caller frees them. */
export const askedTensor = (clock: Clock, { shape, values }: Asked, index: number): tf.Tensor => {
  const numbers = values({ ...clock, rng: clock.rng.fork(`asked ${index}`) })
  if (numbers.length !== sizeOf(shape)) throw new Error(`A moment was asked for [${shape}] and got ${numbers.length} numbers.`)
  return tf.tensor(Float32Array.from(numbers), [...shape], 'float32')
}

/** A moment, and what is taken of it; tensors asked for are `given` in order, and made where there are none. */
export const momentOf = (clock: Clock, given: readonly tf.Tensor[] = []): { readonly moment: Moment; readonly taken: Taken } => {
  const taken: Taken = { asked: [], held: [], told: [], read: false }
  const tensor: Moment['tensor'] = (shape, values) => {
    const index = taken.asked.push({ shape, values }) - 1
    return given[index] ?? askedTensor(clock, { shape, values }, index)
  }
  const hold: Moment['hold'] = value => {
    const held = tf.keep(tf.clone(value))
    taken.held.push(held)
    return held
  }
  const moment: Moment = {
    get step() {
      taken.read = true
      return clock.step
    },
    get rng() {
      taken.read = true
      return clock.rng
    },
    of: clock.of,
    scalar: value => tensor([], at => [value(at)]) as tf.Scalar,
    tensor,
    hold,
    tell: (name, value) => void taken.told.push([name, tf.keep(tf.clone(value))]),
  }
  return { moment, taken }
}
