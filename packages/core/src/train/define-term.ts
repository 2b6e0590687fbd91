import { defineValue, ONLY, type ValueDefinition } from '../step/define-method.js'
import type { Patterns } from '../model/pattern-text.js'
import type { Made, OptionTable } from '../step/options.js'
import type { Term } from './objective.js'
import type { Parametrization, TrainingState } from './parametrization.js'

/** What a term does, before it has its name and options. */
export type TermBody<S extends TrainingState> = Omit<Term<S>, 'name'>

/** Declares a term that training makes small: options once, checked when the factory is called; throws BAD_OPTION there. */
export const defineTerm = <const O extends OptionTable, S extends TrainingState = TrainingState>(
  definition: ValueDefinition<O, TermBody<S>>,
) => defineValue('term', definition)

/** Whether a value is a term that a factory made. */
export const isTerm = (value: object): value is Term & Made => 'loss' in value && 'name' in value

/** What a parametrization does, before it has its name and options. */
export type ParametrizationBody<S extends TrainingState> = Omit<Parametrization<S>, 'name'>

/** Declares another way to make weights while training, likewise; the option `only` comes with it. */
export const defineParametrization = <const O extends OptionTable, S extends TrainingState = TrainingState>(
  definition: ValueDefinition<O, ParametrizationBody<S>>,
) =>
  defineValue('parametrization', {
    ...definition,
    options: { ...definition.options, ...ONLY },
    make: (options): ParametrizationBody<S> => {
      const { only, except } = options as { readonly only?: Patterns; readonly except?: Patterns }
      return { ...definition.make(options as never), ...(only === undefined ? {} : { only }), ...(except === undefined ? {} : { except }) }
    },
  })

/** Whether a value is a parametrization that a factory made. */
export const isParametrization = (value: object): value is Parametrization & Made =>
  'init' in value && 'weight' in value && 'finish' in value
