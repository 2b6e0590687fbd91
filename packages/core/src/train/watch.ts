import * as tf from '@tensorflow/tfjs-core'
import { checkPositive } from './check-positive.js'

/** Looks at what is trained every so many steps, and behind the last; it may stop the training. */
export interface Watch {
  /** Steps from one look to the next. */
  readonly every: number
  /** Stops when so many looks in a row were no better than the best before; never where absent. */
  readonly patience?: number
  /** What stands at the end: the last values (where absent), or those that measured lowest. */
  readonly keep?: 'last' | 'best'
  /** A number that is better the lower it is, such as a loss on held-out data; `step` counts from 1. */
  measure(step: number): number | Promise<number>
}

/** Throws BAD_OPTION. */
export const checkWatch = (owner: string, { every, patience = 1 }: Pick<Watch, 'every' | 'patience'>): void => {
  checkPositive(owner, 'watch.every', every, 'steps from one look to the next')
  checkPositive(owner, 'watch.patience', patience, 'looks without a better one')
}

/** What was seen so far. */
export interface Watching {
  /** The lowest measure, and how many looks ago that was. */
  best: number
  since: number
  /** What was trained then, where it is kept. */
  copies: readonly tf.Tensor[]
  /** Looks where it is time to; whether the training should stop. */
  look(step: number, of: number): Promise<boolean>
  /** Whether it had enough, as a checkpoint may say. */
  stopped(): boolean
  /** Puts the best values in place, where they are kept. */
  restore(): void
  dispose(): void
}

export const watchingOf = (variables: readonly tf.Variable[], { every, patience, keep = 'last', measure }: Watch): Watching => {
  const watching: Watching = {
    best: Infinity,
    since: 0,
    copies: [],
    look: async (step, of) => {
      if (step % every !== 0 && step !== of) return false
      const value = await measure(step)
      watching.since = value < watching.best ? 0 : watching.since + 1
      if (watching.since === 0) {
        watching.best = value
        if (keep === 'best') {
          watching.dispose()
          watching.copies = variables.map(variable => tf.keep(tf.clone(variable)))
        }
      }
      return watching.stopped()
    },
    stopped: () => patience !== undefined && watching.since >= patience,
    restore: () => watching.copies.forEach((copy, i) => variables[i].assign(copy)),
    dispose: () => tf.dispose([...watching.copies]),
  }
  return watching
}
