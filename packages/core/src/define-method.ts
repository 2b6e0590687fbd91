import type { Tensor2D } from '@tensorflow/tfjs-core'
import { CompressionError, type Parameter } from '@tersor/tensor'
import type { Calibration, Job, Method, Pass, Context, Stats } from './method.js'
import type { Model, Site } from './model.js'
import { checkOptions, optional, recorded, text, type InputOf, type OptionTable, type ValuesOf } from './options.js'

/** Where a method comes from. */
export interface Paper {
  readonly title: string
  readonly authors: string
  readonly year: number
  readonly url: string
}

/** What a factory says of itself: read by the command line and the docs index. */
export interface Description {
  readonly name: string
  readonly kind: 'method' | 'pass'
  readonly summary: string
  readonly paper?: Paper
  readonly options: OptionTable
}

const ONLY = { only: optional(text({ doc: 'sites it works on, * for any characters; all but embeddings and the head' })) }

export interface MethodDefinition<O extends OptionTable, S extends Stats> {
  readonly name: string
  /** One clause for lists. */
  readonly summary: string
  readonly paper?: Paper
  readonly options: O
  /** Checks that need more than one option; returns what is wrong and what to do. */
  readonly check?: (options: ValuesOf<O>) => readonly [what: string, remedy: string] | undefined
  /** Of options where it depends on them; undefined where they take none. */
  readonly calibrate?: Calibration<S> | ((options: ValuesOf<O>) => Calibration<S> | undefined)
  readonly rewrites?: 'payload' | 'whole'
  readonly accepts?: (site: Site) => boolean
  readonly apply: (weight: Tensor2D, job: Job<S>, options: ValuesOf<O>) => Parameter | Promise<Parameter>
}

export type Arguments<O extends OptionTable> = object extends InputOf<O> ? [options?: InputOf<O>] : [options: InputOf<O>]

/** Makes methods from options and carries its own description. */
export interface Factory<O extends OptionTable, Made> {
  (...options: Arguments<O & typeof ONLY>): Made
  readonly description: Description
}

const described = <F>(make: F, description: Description): F & { readonly description: Description } =>
  Object.freeze(Object.assign(make as object, { description: Object.freeze(description) })) as F & { readonly description: Description }

const refuse = (owner: string, problem: readonly [string, string] | undefined): void => {
  if (problem) throw new CompressionError('BAD_OPTION', `${owner}: ${problem[0]}`, problem[1], { owner })
}

/** Declares a method: options once, checked when the factory is called; throws BAD_OPTION there. */
export const defineMethod = <const O extends OptionTable, S extends Stats = void>(
  definition: MethodDefinition<O, S>,
): Factory<O, Method<S>> => {
  const table = { ...definition.options, ...ONLY }
  const make = (given: Readonly<Record<string, unknown>> = {}): Method<S> => {
    const options = checkOptions(definition.name, table, given) as unknown as ValuesOf<O> & { only?: string }
    refuse(definition.name, definition.check?.(options))
    const calibrate = typeof definition.calibrate === 'function' ? definition.calibrate(options) : definition.calibrate
    return Object.freeze<Method<S>>({
      kind: 'method',
      name: definition.name,
      options: recorded(options),
      ...(options.only === undefined ? {} : { only: options.only }),
      ...(calibrate ? { calibrate } : {}),
      ...(definition.rewrites ? { rewrites: definition.rewrites } : {}),
      ...(definition.accepts ? { accepts: definition.accepts } : {}),
      apply: (weight, job) => definition.apply(weight, job, options),
    })
  }
  const { name, summary, paper } = definition
  return described(make as unknown as (...options: Arguments<O & typeof ONLY>) => Method<S>, {
    name,
    kind: 'method',
    summary,
    options: table,
    ...(paper ? { paper } : {}),
  })
}

export interface PassDefinition<O extends OptionTable> {
  readonly name: string
  readonly summary: string
  readonly paper?: Paper
  readonly options: O
  readonly check?: (options: ValuesOf<O>) => readonly [what: string, remedy: string] | undefined
  /** Whether it only writes the same function in other weights: what it makes is what later steps compare with. */
  readonly exact?: boolean
  readonly run: (model: Model, context: Context, options: ValuesOf<O>) => Promise<Model>
}

/** Declares a pass over a whole model, likewise. */
export const definePass = <const O extends OptionTable>(
  definition: PassDefinition<O>,
): ((...options: Arguments<O>) => Pass) & { readonly description: Description } => {
  const make = (given: Readonly<Record<string, unknown>> = {}): Pass => {
    const options = checkOptions(definition.name, definition.options, given)
    refuse(definition.name, definition.check?.(options))
    return Object.freeze<Pass>({
      kind: 'pass',
      name: definition.name,
      options: recorded(options),
      ...(definition.exact ? { exact: true } : {}),
      run: (model, context) => definition.run(model, context, options),
    })
  }
  const { name, summary, paper, options } = definition
  return described(make as unknown as (...options: Arguments<O>) => Pass, {
    name,
    kind: 'pass',
    summary,
    options,
    ...(paper ? { paper } : {}),
  })
}
