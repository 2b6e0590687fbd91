import * as tf from '@tensorflow/tfjs-core'
import {
  defineMethod,
  fraction,
  maskedOf,
  nOfM,
  optional,
  type Factory,
  type Job,
  type Method,
  type MethodDefinition,
  type OptionTable,
  type Stats,
  type ValuesOf,
} from '@tersor/core'
import { packCodes } from '@tersor/kernels'
import { CompressionError, dense } from '@tersor/tensor'
import { keepLargestOnThreads, type Removal } from './patterns.js'

/** The options that every method that removes weights takes. */
export const removalOptions = {
  sparsity: fraction({ default: 0.5, doc: 'fraction of weights removed' }),
  pattern: optional(nOfM({ doc: 'N of every M neighbours kept, instead of sparsity' })),
}

type RemovalOptions = typeof removalOptions
type Within = Removal['within']

export interface ScoreDefinition<O extends OptionTable, S extends Stats> extends Pick<
  MethodDefinition<O, S>,
  'name' | 'summary' | 'paper' | 'differs' | 'calibrate' | 'accepts'
> {
  /** Options besides `sparsity` and `pattern`. */
  readonly options?: O
  /** Weights that are compared with each other where no pattern says it; of options where a method lets its users choose. */
  readonly within: Within | ((options: ValuesOf<O>) => Within)
  /** How much a weight matters: those with the smallest scores go. Runs in a tidy; weight and result: (out, in). */
  readonly score: (weight: tf.Tensor2D, job: Job<S>, options: ValuesOf<O>) => tf.Tensor
}

const checkShape = (name: string, scores: tf.Tensor, weight: tf.Tensor): void => {
  if (`${scores.shape}` === `${weight.shape}`) return
  throw new CompressionError(
    'SHAPE',
    `${name} scores a weight of [${weight.shape.join(', ')}] with [${scores.shape.join(', ')}].`,
    'Give one score for each weight.',
    { method: name, expected: weight.shape, got: scores.shape },
  )
}

/**
 * Declares a pruning method by its score: masked{mask, values} with the weights whose scores are largest among their row, their layer or
 * each run of M columns. The factory takes `sparsity` and `pattern` besides its own options and throws BAD_OPTION; a score of another
 * shape throws SHAPE.
 */
export const defineScore = <const O extends OptionTable = Readonly<Record<never, never>>, S extends Stats = void>({
  options,
  within,
  score,
  ...definition
}: ScoreDefinition<O, S>): Factory<RemovalOptions & O, Method<S>> =>
  defineMethod<RemovalOptions & O, S>({
    ...definition,
    options: { ...removalOptions, ...options } as RemovalOptions & O,
    apply: async (weight, job, given) => {
      const { sparsity, pattern } = given as ValuesOf<RemovalOptions>
      const scores = tf.tidy(() => tf.clone(score(weight, job, given)))
      try {
        checkShape(definition.name, scores, weight)
        const removal = { sparsity, pattern, within: typeof within === 'function' ? within(given) : within }
        const kept = await keepLargestOnThreads(await scores.data<'float32'>(), weight.shape[1], removal, { signal: job.signal })
        return maskedOf(dense('u1', weight.shape, await packCodes(kept, 1, { signal: job.signal })), job.current)
      } finally {
        scores.dispose()
      }
    },
  })
