import * as v from 'valibot'
import { CompressionError, type Attrs } from '@tersor/tensor'

/** One option of a method: its check, default and one line of documentation, declared once. */
export interface Option<T, Required extends boolean = boolean> {
  readonly schema: v.GenericSchema<unknown, T>
  readonly default?: T
  readonly required: Required
  /** What values look like, for tables and messages: "0 to 1", "row | layer". */
  readonly accepts: string
  readonly doc: string
}

export type OptionTable = Readonly<Record<string, Option<any>>>

type RequiredNames<O extends OptionTable> = { [K in keyof O]: O[K] extends Option<any, true> ? K : never }[keyof O]
type ValueOf<X> = X extends Option<infer T> ? T : never

/** What a user passes. */
export type InputOf<O extends OptionTable> = { readonly [K in RequiredNames<O>]: ValueOf<O[K]> } & {
  readonly [K in Exclude<keyof O, RequiredNames<O>>]?: ValueOf<O[K]>
}
/** What a method gets: defaults filled in; options without default may be undefined. */
export type ValuesOf<O extends OptionTable> = { readonly [K in keyof O]: ValueOf<O[K]> }

interface Settings<T> {
  readonly doc: string
  readonly default?: T
}

const option = <T>(schema: v.GenericSchema<unknown, any>, accepts: string, settings: Settings<T>): Option<T, false> =>
  Object.freeze({
    schema,
    accepts,
    required: false,
    doc: settings.doc,
    ...(settings.default === undefined ? {} : { default: settings.default }),
  })

/** Marks an option that has no default and must be given. */
export const required = <T>(inner: Option<T, false>): Option<T, true> => Object.freeze({ ...inner, required: true })
/** Marks an option that may be left out and has no default. */
export const optional = <T>(inner: Option<T, false>): Option<T | undefined, false> => inner

/** A number from 0 to 1, below 1 unless `inclusive`. */
export const fraction = (settings: Settings<number> & { readonly inclusive?: boolean }): Option<number, false> =>
  settings.inclusive
    ? option(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), '0 to 1', settings)
    : option(v.pipe(v.number(), v.minValue(0), v.ltValue(1)), 'at least 0, below 1', settings)

/** A whole number in a closed range. */
export const integer = (settings: Settings<number> & { readonly min: number; readonly max?: number }): Option<number, false> =>
  option(
    v.pipe(v.number(), v.integer(), v.minValue(settings.min), v.maxValue(settings.max ?? Number.MAX_SAFE_INTEGER)),
    settings.max === undefined ? `an integer of at least ${settings.min}` : `an integer from ${settings.min} to ${settings.max}`,
    settings,
  )

/** A finite number above 0. */
export const positive = (settings: Settings<number>): Option<number, false> =>
  option(v.pipe(v.number(), v.finite(), v.gtValue(0)), 'a number above 0', settings)

export const boolean = (settings: Settings<boolean>): Option<boolean, false> => option(v.boolean(), 'true | false', settings)

/** One of a few words. */
export const choice = <const T extends readonly string[]>(words: T, settings: Settings<T[number]>): Option<T[number], false> =>
  option(v.picklist(words), words.join(' | '), settings)

export const text = (settings: Settings<string>): Option<string, false> => option(v.pipe(v.string(), v.nonEmpty()), 'text', settings)

/** N of every M neighbours kept, written "2:4". */
export type SparsityPattern = `${number}:${number}`

/** A sparsity pattern N:M with 0 < N < M. */
export const nOfM = (settings: Settings<SparsityPattern>): Option<SparsityPattern, false> =>
  option(
    v.pipe(
      v.string(),
      v.check(value => {
        const match = /^(\d+):(\d+)$/.exec(value)
        return match !== null && Number(match[1]) > 0 && Number(match[1]) < Number(match[2])
      }),
    ),
    'N:M, such as 2:4',
    settings,
  )

const show = (value: unknown): string => (typeof value === 'string' ? `"${value}"` : String(JSON.stringify(value) ?? value))

const accepted = (table: OptionTable): string =>
  Object.entries(table)
    .map(([name, { accepts }]) => `${name} (${accepts})`)
    .join(', ')

/** Checks options against their table and fills in defaults; throws BAD_OPTION. */
export const checkOptions = <O extends OptionTable>(owner: string, table: O, given: Readonly<Record<string, unknown>>): ValuesOf<O> => {
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(table, name)) {
      throw new CompressionError('BAD_OPTION', `${owner} has no option "${name}".`, `Its options are ${accepted(table) || 'none'}.`, {
        owner,
        option: name,
      })
    }
  }
  const values = Object.entries(table).map(([name, entry]) => {
    const value = given[name] === undefined ? entry.default : given[name]
    if (value === undefined) {
      if (!entry.required) return [name, undefined]
      throw new CompressionError('BAD_OPTION', `${owner} needs the option "${name}".`, `Pass ${name}: ${entry.accepts} (${entry.doc}).`, {
        owner,
        option: name,
      })
    }
    if (!v.is(entry.schema, value)) {
      throw new CompressionError('BAD_OPTION', `${owner} got ${name} = ${show(value)}.`, `Pass ${entry.accepts}: ${entry.doc}.`, {
        owner,
        option: name,
        got: value,
      })
    }
    return [name, value]
  })
  return Object.freeze(Object.fromEntries(values)) as ValuesOf<O>
}

/** Options as they are recorded in a saved file: those that are set. */
export const recorded = (values: Readonly<Record<string, unknown>>): Attrs =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Attrs
