import type { ParameterSink } from '@tersor/tensor'
import type { Model, Weights } from '../model/model.js'
import type { ProgressEvent } from '../run/progress-event.js'
import type { Rng } from '../run/rng.js'
import type { ByPlace, How } from './by-place.js'
import type { FitOptions } from './fit-options.js'
import type { Batch } from './losses.js'
import type { Objective } from './objective.js'
import type { StatisticsOf } from './statistics.js'
import type { Watch } from './watch.js'

/** Looks at the weights in training; see `Watch`. */
export interface WeightsWatch extends Omit<Watch, 'measure'> {
  /** A number that is better the lower it is; the weights are lent for the call. */
  measure(weights: Weights, step: number): number | Promise<number>
}

/** Lends weights for the time of some work, which does not free them. */
export type WithWeights = <T>(work: (weights: Weights) => T | Promise<T>) => Promise<T>

export interface TrainOptions extends Pick<FitOptions<Batch>, 'transform' | 'steps' | 'plan' | 'average' | 'checkpoint' | 'exchange'> {
  /** For messages and progress; "train" where absent. */
  readonly name?: string
  /** A function of its arguments alone, or terms: it is recorded at the first step. */
  readonly objective: Objective
  /** The batch of a step, a function of its arguments alone; the trainer frees it. The weights as they are then are lent, for samples of one's own. */
  readonly data: (step: number, rng: Rng, withWeights: WithWeights) => Batch | Promise<Batch>
  /** How weights are made; by their own floats where absent. */
  readonly parametrize?: How | ByPlace
  /** A model with the same inputs, run in the same step for the terms that learn from it. */
  readonly teacher?: Model
  /** What batch norms normalise by: 'batch' (where absent) keeps running measures, as do `ghost` batches of so many rows; 'stored' leaves them. */
  readonly statistics?: StatisticsOf
  readonly watch?: WeightsWatch
  /** The model before it was compressed: floats that are new are stored as it stores them. */
  readonly source?: Model
  readonly rng?: Rng
  /** Where there is no `rng`: decides everything that is random; 0 where absent. */
  readonly seed?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (event: ProgressEvent) => void
  readonly sink?: () => ParameterSink
}
