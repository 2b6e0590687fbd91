import { CompressionError } from '@tersor/tensor'
import type { Context } from '../step/method.js'
import type { Model } from '../model/model.js'
import { integer, numbers, optional, positive, values, type Made, type ValuesOf } from '../step/options.js'
import { collectBatches } from '../run/calibrate.js'
import { adam } from './adam.js'
import { calibrationData } from './calibration-data.js'
import { clip } from './clip.js'
import { isTerm } from './define-term.js'
import { imitation } from './divergence.js'
import { chain } from './gradient-transform.js'
import { termsOf, weighted, type Objective, type Term } from './objective.js'
import { needsTeacher } from './scene.js'
import { warmupCosine } from './schedules.js'
import { train } from './train.js'
import type { TrainOptions } from './train-options.js'

export interface TrainInOptions extends Omit<
  TrainOptions,
  'name' | 'data' | 'checkpoint' | 'source' | 'rng' | 'seed' | 'signal' | 'onProgress' | 'sink'
> {
  /** The batch of a step; rows of the calibration inputs, `rows` at a time, where absent. */
  readonly data?: TrainOptions['data']
  /** 8 where absent. */
  readonly rows?: number
  /** Steps from one checkpoint to the next, where the run has a scratch folder; 100 where absent. */
  readonly every?: number
}

/**
 * Trains as a step of a pipeline: seed, abort, progress, scratch folder and sink are those of the run, and the teacher is the model before the
 * pipeline unless another one is given. Throws as `train` does, and NO_CALIBRATION where there is no data.
 */
export const trainIn = async <M extends Model>(context: Context, pass: string, model: M, options: TrainInOptions): Promise<M> => {
  const { data, rows = 8, every = 100, teacher = context.source, ...others } = options
  const { rng, signal, source, unit } = context
  return train(model, {
    ...{ ...others, teacher, source, rng, signal, name: pass, sink: () => context.sink() },
    data: data ?? calibrationData(await collectBatches(pass, context.calibration), rows, rng.fork('rows')),
    onProgress: event => context.emit(event),
    ...(unit && { checkpoint: { ...unit, every } }),
  })
}

/** Options that passes which train share. */
export const TRAINING = {
  steps: integer({ min: 1, default: 200, doc: 'steps of training' }),
  rows: integer({ min: 1, default: 8, doc: 'rows of calibration inputs in the batch of a step' }),
  rate: positive({ default: 1e-4, doc: 'learning rate of Adam at its peak, behind a short warm-up and before half a cosine' }),
  checkpoint: integer({ min: 1, default: 100, doc: 'steps from one checkpoint to the next, where a run can be resumed' }),
  terms: optional(
    values<Term & Made>({ of: 'term', is: isTerm, doc: 'what training makes small: to answer as the teacher does, where absent' }),
  ),
  weights: optional(numbers({ doc: 'numbers before the terms, in their order: 1 where absent' })),
} as const

/** What is wrong with these options together. */
export const checkTraining = ({
  terms,
  weights,
}: Pick<ValuesOf<typeof TRAINING>, 'terms' | 'weights'>): readonly [string, string] | undefined =>
  weights === undefined || weights.length === terms?.length
    ? undefined
    : [`${weights.length} weights stand before ${terms?.length ?? 0} terms.`, 'Give one to each term.']

const objectiveOf = ({ terms, weights }: Pick<ValuesOf<typeof TRAINING>, 'terms' | 'weights'>): Objective =>
  terms ? weighted(...terms.map((term, i) => [weights?.[i] ?? 1, term] as const)) : imitation

/** What `trainIn` takes of these options. */
export const trainingOf = (
  options: ValuesOf<typeof TRAINING>,
): Pick<TrainInOptions, 'objective' | 'transform' | 'steps' | 'rows' | 'every'> => {
  const { steps, rows, rate, checkpoint } = options
  const learningRate = warmupCosine({ peak: rate, warmup: Math.ceil(steps / 20), steps })
  return { objective: objectiveOf(options), transform: chain(clip({ norm: 1 }), adam({ learningRate })), steps, rows, every: checkpoint }
}

/** Where a model is its own teacher and learns from nothing else, there is nothing to learn. Throws COMPOSITION. */
export const refuseItself = (context: Context, pass: string, model: Model, { terms }: Pick<ValuesOf<typeof TRAINING>, 'terms'>): void => {
  if (model.params !== context.source.params || !needsTeacher(termsOf(objectiveOf({ terms, weights: undefined })))) return
  throw new CompressionError(
    'COMPOSITION',
    `${pass} would teach a model by itself: nothing was compressed before.`,
    'Put it behind a step that compresses, or give terms that learn from data.',
    { pass },
  )
}
