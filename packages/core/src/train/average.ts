import * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import { checkPositive } from './check-positive.js'

/** An average of what is trained: a ← decay · a + (1 − decay) · θ every so many steps. */
export interface Average {
  /** At least 0 and below 1. */
  readonly decay: number
  /** 1 where absent. */
  readonly every?: number
}

/** The averages of variables, in their order; they begin with what the variables are. */
export interface Averages {
  readonly tensors: readonly tf.Tensor[]
  /** After a step, counted from 1. */
  follow(step: number): void
  /** Exchanges the values of variables and averages. */
  exchange(): void
  /** Takes others in their place, which it owns from now on. */
  replace(tensors: readonly tf.Tensor[]): void
  dispose(): void
}

/** Throws BAD_OPTION. */
export const checkAverage = (owner: string, { decay, every = 1 }: Average): void => {
  if (!(decay >= 0 && decay < 1))
    throw new CompressionError(
      'BAD_OPTION',
      `${owner} got average.decay = ${decay}.`,
      'Pass a number of at least 0 and below 1, such as 0.999.',
    )
  checkPositive(owner, 'average.every', every, 'steps from one to the next')
}

export const averagesOf = (variables: readonly tf.Variable[], { decay, every = 1 }: Average): Averages => {
  let tensors: tf.Tensor[] = variables.map(variable => tf.keep(tf.clone<tf.Tensor>(variable)))
  const replace = (next: readonly tf.Tensor[]): void => {
    tf.dispose(tensors)
    tensors = [...next]
  }
  return {
    get tensors() {
      return tensors
    },
    follow: step => {
      if (step % every !== 0) return
      replace(
        tf.tidy(() =>
          tensors.map((average, i) => tf.keep(tf.add(tf.mul(average, decay), tf.mul(tf.cast(variables[i], 'float32'), 1 - decay)))),
        ),
      )
    },
    exchange: () => {
      const values = variables.map(variable => tf.keep(tf.clone(variable)))
      variables.forEach((variable, i) => variable.assign(tensors[i]))
      replace(values)
    },
    replace,
    dispose: () => tf.dispose(tensors),
  }
}
