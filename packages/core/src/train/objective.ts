import { mul, type Scalar, type Tensor } from '@tensorflow/tfjs-core'
import { CompressionError } from '@tersor/tensor'
import type { Rng } from '../run/rng.js'
import type { Batch, LabelledBatch, Loss } from './losses.js'
import type { Moment } from './moment.js'
import type { TrainingState } from './parametrization.js'
import type { Schedule } from './schedules.js'

/** What a network made of a batch. */
export interface Outputs {
  readonly output: Tensor
  /** What it made at a place that the term named: a stage's output by its name, and see `Probe` for those inside of stages. */
  at(place: string): Tensor
}

/** What a term sees of a step. */
export interface Scene {
  readonly batch: Batch
  /** The batch's answers; throws BAD_DATA where it has none. */
  readonly target: Tensor
  readonly student: Outputs
  /** Without gradients; throws BAD_OPTION where there is no teacher. */
  readonly teacher: Outputs
  readonly moment: Moment
}

/** A part of what a training makes small. */
export interface Term<S extends TrainingState = any> {
  readonly name: string
  /** Whether it needs a teacher. */
  readonly taught?: boolean
  /** What is kept of a step for it, besides the outputs. */
  readonly places?: { readonly student?: readonly string[]; readonly teacher?: readonly string[] }
  /** Tensors of its own that are trained with the network and dropped at the end, such as projections between widths; the scene is of a first batch. */
  init?(scene: Scene, rng: Rng): S
  loss(scene: Scene, state: S): Scalar
}

/** Terms that add up. */
export interface WeightedTerms {
  readonly name: 'weighted'
  readonly terms: readonly (readonly [weight: number | Schedule, objective: Objective])[]
}

/** What a training makes small: a function of the output and the batch, a term, or several that add up. */
export type Objective = Loss | Term | WeightedTerms

/** Adds terms up: `weighted([1, crossEntropy], [rex({ peak: 2, steps }), softLabels()])`. Throws BAD_OPTION. */
export const weighted = (...terms: WeightedTerms['terms']): WeightedTerms => {
  const wrong = terms.find(([weight]) => typeof weight === 'number' && !Number.isFinite(weight))
  if (wrong || terms.length === 0)
    throw new CompressionError(
      'BAD_OPTION',
      wrong ? `weighted got the weight ${String(wrong[0])}.` : 'weighted got no terms.',
      'Pass pairs of a finite number, or a schedule, and a term.',
    )
  return Object.freeze({ name: 'weighted', terms: Object.freeze([...terms]) })
}

/** A term with the weights that stand before it, which are multiplied. */
export interface WeightedTerm {
  readonly weights: readonly (number | Schedule)[]
  readonly term: Term
}

const termOf = (loss: Loss): Term => ({
  name: loss.name || 'loss',
  loss: scene => {
    const batch: LabelledBatch = {
      ...scene.batch,
      get target() {
        return scene.target
      },
    }
    return loss(scene.student.output, batch)
  },
})

/** Every term of an objective, in order. */
export const termsOf = (objective: Objective): readonly WeightedTerm[] => {
  if (typeof objective === 'function') return [{ weights: [], term: termOf(objective) }]
  if (!('terms' in objective)) return [{ weights: [], term: objective }]
  return objective.terms.flatMap(([weight, inner]) => termsOf(inner).map(({ weights, term }) => ({ weights: [weight, ...weights], term })))
}

/** The term's weight before its loss: a factor, and schedules whose numbers are of the step. */
export const weightedLoss = ({ weights, term }: WeightedTerm, scene: Scene, state: TrainingState): Scalar => {
  const factors = weights.map(weight => (typeof weight === 'number' ? weight : scene.moment.scalar(({ step }) => weight(step))))
  return factors.reduce<Scalar>((loss, factor) => mul(loss, factor), term.loss(scene, state))
}
