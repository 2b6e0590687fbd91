import type * as tf from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { ProgressEvent } from '../run/progress-event.js'
import type { Rng } from '../run/rng.js'
import { checkAverage, type Average } from './average.js'
import type { Backward } from './backward.js'
import { checkCheckpoint, type Checkpoint } from './checkpoint.js'
import type { Exchange } from './exchange.js'
import type { GradientTransform, TrainedName } from './gradient-transform.js'
import type { Clock, Moment } from './moment.js'
import type { Plan } from './plan.js'
import { checkWatch, type Watch } from './watch.js'

/** A variable in training. */
export interface Trained extends TrainedName {
  readonly variable: tf.Variable
  /** Whether gradients move it; running means move otherwise. */
  readonly moves?: boolean
}

export interface FitOptions<B extends object, G = undefined> {
  /** For messages and progress; "fit" where absent. */
  readonly name?: string
  readonly trained: readonly Trained[]
  readonly steps: number
  /** The batch of a step, a function of its arguments alone; its tensors are freed behind the step. */
  readonly data: (step: number, rng: Rng) => B | Promise<B>
  /** What the loss is given besides, made without gradients in the same recorded step, such as a teacher's outputs. */
  readonly given?: (batch: B, moment: Moment) => G
  /** A function of its arguments alone: it is recorded at the first step. */
  readonly loss: (batch: B, moment: Moment, given: G) => tf.Scalar
  readonly transform: GradientTransform
  /** How the gradients of a step come about; one pass over the batch where absent. */
  readonly plan?: Plan<B>
  /** After the update and before the next batch, with what the loss told: projections, codes made anew. */
  readonly between?: (clock: Clock, told: Backward['told']) => void | Promise<void>
  /** An average of what is trained, which is watched and stands at the end. */
  readonly average?: Average
  readonly watch?: Watch
  readonly checkpoint?: Checkpoint
  /** How gradients of several workers become one; this one's alone where absent. */
  readonly exchange?: Exchange
  readonly rng?: Rng
  readonly signal?: AbortSignal
  readonly onProgress?: (event: ProgressEvent) => void
  /** Which part of the loss of a batch is no number, for the error that says so. */
  readonly blame?: (batch: B, clock: Clock) => Promise<string | undefined>
}

/** Throws BAD_OPTION. */
export const checkFit = ({
  name = 'fit',
  steps,
  average,
  watch,
  checkpoint,
}: Pick<FitOptions<object>, 'name' | 'steps' | 'average' | 'checkpoint'> & { readonly watch?: Omit<Watch, 'measure'> }): void => {
  if (!Number.isInteger(steps) || steps < 1)
    throw new CompressionError('BAD_OPTION', `${name} takes steps of at least 1, got ${steps}.`, 'Pass a positive integer.')
  if (average) checkAverage(name, average)
  if (watch) checkWatch(name, watch)
  if (checkpoint) checkCheckpoint(name, checkpoint)
}
