import * as tf from '@tensorflow/tfjs-core'
import { batchMoments, towards, unbiased } from '../model/batch-moments.js'
import type { Env, Model, Statistics } from '../model/model.js'
import type { Backward } from './backward.js'
import { checkPositive } from './check-positive.js'
import type { Trained } from './fit-options.js'
import type { Moment } from './moment.js'

/** What batch norms normalise by while training: the batch's own measures, those stored, or those of so many of its rows at a time. */
export type StatisticsOf = 'batch' | 'stored' | { readonly ghost: number }

/** Throws BAD_OPTION. */
export const checkStatistics = (owner: string, statistics: StatisticsOf): void => {
  if (typeof statistics !== 'string') checkPositive(owner, 'statistics.ghost', statistics.ghost, 'rows that are normalised together')
}

/** Every batch norm of a model that keeps running measures. */
export const statisticsOf = ({ stages }: Pick<Model, 'stages'>): readonly Statistics[] => stages.flatMap(stage => stage.statistics ?? [])

/** `batchMoments` of each run of rows, and for each row: (batch, 1 …, channels). */
const measureRuns = (y: tf.Tensor, rows: number, each: (mean: tf.Tensor, variance: tf.Tensor) => void) => {
  const batch = y.shape[0]
  const ones = y.shape.slice(1, -1).map(() => 1)
  const channels = y.shape.at(-1)!
  const runs = Array.from({ length: Math.ceil(batch / rows) }, (_, at) => Math.min(rows, batch - at * rows))
  const measured = runs.map((count, at) => batchMoments(tf.slice(y, at * rows, count)))
  measured.forEach(({ mean, variance }) => each(mean, variance))
  const spread = (of: 'mean' | 'variance'): tf.Tensor =>
    tf.concat(measured.map((made, at) => tf.tile(tf.reshape(made[of], [1, ...ones, channels]), [runs[at], ...ones, 1]))) // (batch, 1 …, channels)
  return { mean: spread('mean'), variance: spread('variance') }
}

/**
 * What norms take in the place of their stored measures. Each measure is told to the step, the variance as the estimate n / (n − 1) σ² that
 * PyTorch keeps too, so that `followStatistics` can keep running ones; gradients pass through the measures.
 */
export const momentsOf = (statistics: Exclude<StatisticsOf, 'stored'>, moment: Moment): NonNullable<Env['moments']> => {
  return (norm, y) => {
    const positions = y.shape.slice(1, -1).reduce((product, extent) => product * extent, 1)
    const rows = statistics === 'batch' ? y.shape[0] : statistics.ghost
    const tell = (mean: tf.Tensor, variance: tf.Tensor, count: number): void => {
      moment.tell(norm.mean, mean)
      moment.tell(norm.variance, unbiased(variance, count * positions))
    }
    if (rows >= y.shape[0]) {
      const { mean, variance } = batchMoments(y)
      tell(mean, variance, y.shape[0])
      return { mean, variance }
    }
    return measureRuns(y, rows, (mean, variance) => tell(mean, variance, rows))
  }
}

/** Running measures: r ← (1 − momentum) r + momentum · measure, for each that a step told, in order. */
export const followStatistics = (norms: readonly Statistics[], running: readonly Trained[], told: Backward['told']): void => {
  const variables = new Map(running.map(({ name, variable }) => [name, variable]))
  const share = new Map(norms.flatMap(({ mean, variance, momentum }) => [[mean, momentum] as const, [variance, momentum] as const]))
  tf.tidy(() => {
    for (const [name, value] of told) {
      const variable = variables.get(name)
      if (variable) variable.assign(towards(variable, value, share.get(name)!))
    }
  })
}
