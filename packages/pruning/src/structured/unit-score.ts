import { defineValue, type Context, type Coupling, type Made, type Model, type OptionTable, type ValueDefinition } from '@tersor/core'

/** What units are judged by: the network, the couplings whose units are compared, and what a step may look at. */
export interface UnitScoring {
  /** Of the step that asks, for errors. */
  readonly step: string
  readonly model: Model
  readonly couplings: readonly Coupling[]
  readonly context: Pick<Context, 'calibration' | 'activations' | 'signal' | 'rng'>
}

/** How much each unit of each coupling matters, in the order of the couplings: those with the smallest scores go. */
export interface UnitScore {
  readonly kind: 'unit-score'
  /** Whether scores of different couplings compare as they are; each is divided by the mean of its coupling otherwise. */
  readonly comparable?: boolean
  of(asked: UnitScoring): Promise<readonly Float64Array[]>
}

/** Declares a score of units: options once, checked when the factory is called; throws BAD_OPTION there. */
export const defineUnitScore = <const O extends OptionTable>(definition: ValueDefinition<O, Omit<UnitScore, 'kind'>>) =>
  defineValue('unit-score', {
    ...definition,
    make: options => ({ kind: 'unit-score' as const, ...definition.make(options) }),
  } as ValueDefinition<O, UnitScore>)

/** Whether a value is a score of units that a factory made. */
export const isUnitScore = (given: object): given is UnitScore & Made =>
  (given as Partial<UnitScore>).kind === 'unit-score' && 'of' in given
