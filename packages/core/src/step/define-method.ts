import type { Tensor2D } from '@tensorflow/tfjs-core'
import { CompressionError, type Parameter } from '@tersor/tensor'
import type { Calibration, Job, Method, Pass, Context, Stats } from './method.js'
import type { Model, Site } from '../model/model.js'
import { checkOptions, optional, patterns, recorded, type InputOf, type Made, type OptionTable, type ValuesOf } from './options.js'

/** Where a method comes from. */
export interface Paper {
  readonly title: string
  readonly authors: string
  readonly year: number
  readonly url: string
  /** Where in the paper, such as "section 4.2". */
  readonly section?: string
}

/** What is said of a method, a pass or an observer in one place; `npm run docs` writes it into the pages. */
export interface DescriptionTexts {
  /** One clause for lists, which also opens the page. */
  readonly summary: string
  readonly paper?: Paper
  /** What is done in another way than in the paper, after "Differs from the paper: ". */
  readonly differs?: string
}

/** What a factory says of itself: read by the command line and `npm run docs`. */
export interface Description extends DescriptionTexts {
  readonly name: string
  /** 'method' and 'pass' are steps; others are values of options, such as 'observer'. */
  readonly kind: string
  readonly options: OptionTable
}

/** The option by which a user says where something works. */
export const ONLY = {
  only: optional(patterns({ doc: 'sites it works on; all but embeddings and the head' })),
  except: optional(patterns({ doc: 'sites that it leaves alone' })),
}

export interface MethodDefinition<O extends OptionTable, S extends Stats> extends DescriptionTexts {
  readonly name: string
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

/** A factory that says what it makes. */
export const described = <F>(
  make: F,
  kind: Description['kind'],
  { name, summary, paper, differs }: DescriptionTexts & { readonly name: string },
  options: OptionTable,
): F & { readonly description: Description } => {
  const texts = { ...(paper ? { paper } : {}), ...(differs === undefined ? {} : { differs }) }
  const description: Description = Object.freeze({ name, kind, summary, ...texts, options })
  return Object.freeze(Object.assign(make as object, { description })) as F & { readonly description: Description }
}

const refuse = (owner: string, problem: readonly [string, string] | undefined): void => {
  if (problem) throw new CompressionError('BAD_OPTION', `${owner}: ${problem[0]}`, problem[1], { owner })
}

/** Declares a method: options once, checked when the factory is called; throws BAD_OPTION there. */
export const defineMethod = <const O extends OptionTable, S extends Stats = void>(
  definition: MethodDefinition<O, S>,
): Factory<O, Method<S>> => {
  const make = (...[given]: Arguments<O & typeof ONLY>): Method<S> => {
    const options = checkOptions(definition.name, definition.options, given ?? {}, ONLY)
    refuse(definition.name, definition.check?.(options))
    const calibrate = typeof definition.calibrate === 'function' ? definition.calibrate(options) : definition.calibrate
    return Object.freeze<Method<S>>({
      kind: 'method',
      name: definition.name,
      options: recorded(options),
      ...(options.only === undefined ? {} : { only: options.only }),
      ...(options.except === undefined ? {} : { except: options.except }),
      ...(calibrate ? { calibrate } : {}),
      ...(definition.rewrites ? { rewrites: definition.rewrites } : {}),
      ...(definition.accepts ? { accepts: definition.accepts } : {}),
      apply: (weight, job) => definition.apply(weight, job, options),
    })
  }
  return described(make, 'method', definition, { ...definition.options, ...ONLY })
}

export interface PassDefinition<O extends OptionTable> extends DescriptionTexts {
  readonly name: string
  readonly options: O
  readonly check?: (options: ValuesOf<O>) => readonly [what: string, remedy: string] | undefined
  /** Whether it only writes the same function in other weights: what it makes is what later steps compare with. */
  readonly exact?: boolean
  /** Of rules: the methods that a site is given the first of that takes it. */
  readonly methods?: (options: ValuesOf<O>) => readonly Method[]
  readonly run: (model: Model, context: Context, options: ValuesOf<O>) => Promise<Model>
}

/** Declares a pass over a whole model, likewise. */
export const definePass = <const O extends OptionTable>(
  definition: PassDefinition<O>,
): ((...options: Arguments<O>) => Pass) & { readonly description: Description } => {
  const make = (...[given]: Arguments<O>): Pass => {
    const options = checkOptions(definition.name, definition.options, given ?? {})
    refuse(definition.name, definition.check?.(options))
    return Object.freeze<Pass>({
      kind: 'pass',
      name: definition.name,
      options: recorded(options),
      ...(definition.exact ? { exact: true } : {}),
      ...(definition.methods ? { methods: definition.methods(options) } : {}),
      run: (model, context) => definition.run(model, context, options),
    })
  }
  return described(make, 'pass', definition, definition.options)
}

export interface ValueDefinition<O extends OptionTable, T extends object> extends DescriptionTexts {
  readonly name: string
  readonly options: O
  readonly check?: (options: ValuesOf<O>) => readonly [what: string, remedy: string] | undefined
  /** What it does, before it has its name and options. */
  readonly make: (options: ValuesOf<O>) => T
}

/** Declares what an option of a method or pass may hold, such as an observer or a loss: options once, checked when the factory is called; throws BAD_OPTION there. */
export const defineValue = <const O extends OptionTable, T extends object>(
  kind: string,
  definition: ValueDefinition<O, T>,
): ((...options: Arguments<O>) => T & Made) & { readonly description: Description } => {
  const { name, options: table } = definition
  const make = (...[given]: Arguments<O>): T & Made => {
    const options = checkOptions(`${name} ${kind}`, table, given ?? {})
    refuse(name, definition.check?.(options))
    return Object.freeze({ name, options: recorded(options), ...definition.make(options) })
  }
  return described(make, kind, definition, table)
}
