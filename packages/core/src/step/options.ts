import * as v from 'valibot'
import { CompressionError } from '@tersor/tensor'
import { whyNoPattern, type Patterns } from '../model/pattern-text.js'

/** An option as it is recorded: as it was given, or the name and options of what was given. */
export type RecordedOption = string | number | boolean | Recorded | readonly RecordedOption[]
/** What was given for an option that takes a method, an observer or the like. */
export interface Recorded {
  readonly name: string
  readonly options: RecordedOptions
}
/** Options as they are recorded in a saved file. */
export type RecordedOptions = { readonly [name: string]: RecordedOption }

/** What a factory makes: it tells what it is called and what it was made with. */
export interface Made {
  readonly name: string
  readonly options?: RecordedOptions
}

/** One option of a method: its check, default and one line of documentation, declared once. */
export interface Option<T, Required extends boolean = boolean> {
  readonly schema: v.GenericSchema<unknown, T>
  readonly default?: T
  readonly required: Required
  /** What values look like, for tables and messages: "0 to 1", "row | layer". */
  readonly accepts: string
  readonly doc: string
  /** Of an option that takes what factories make: their kind, such as "method" or "observer"; a command line then reads a nested call. */
  readonly of?: string
  /** Whether it takes a list of these. */
  readonly list?: boolean
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

const option = <T>(
  schema: v.GenericSchema<unknown, any>,
  accepts: string,
  settings: Settings<T>,
  nested: Pick<Option<T>, 'of' | 'list'> = {},
): Option<T, false> =>
  Object.freeze({
    schema,
    accepts,
    ...nested,
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

const isText = (given: unknown): given is string => typeof given === 'string' && given !== ''
const isPatterns = (given: unknown): given is Patterns =>
  (isText(given) || (Array.isArray(given) && given.length > 0 && given.every(isText))) && whyNoPattern(given) === undefined

/** Names by patterns: see `matcher`. */
export const patterns = (settings: Settings<Patterns>): Option<Patterns, false> =>
  option(v.custom<Patterns>(isPatterns), 'names with *, {a,b}, ! or /…/, or a list', settings, { list: true })

/** A number in a closed range. */
export const number = (settings: Settings<number> & { readonly min: number; readonly max: number }): Option<number, false> =>
  option(
    v.pipe(v.number(), v.minValue(settings.min), v.maxValue(settings.max)),
    `a number from ${settings.min} to ${settings.max}`,
    settings,
  )

const isMade = (given: unknown): given is Made =>
  (typeof given === 'object' || typeof given === 'function') && given !== null && typeof (given as Partial<Made>).name === 'string'

const article = (word: string): string => (/^(?!uni)[aeiou]/.test(word) ? 'an' : 'a')
const plural = (word: string): string => (word.endsWith('s') ? `${word}es` : `${word}s`)

interface ValueSettings<T> extends Settings<T> {
  /** The kind of the factories whose values it takes: "method", "pass", "observer". */
  readonly of: string
  /** Tells such a value from others. */
  readonly is: (given: object) => boolean
}

/** What a factory made, such as a rounding or an observer; recorded by its name and options, and a nested call on the command line. */
export const value = <T extends Made>(settings: ValueSettings<T>): Option<T, false> =>
  option(v.custom<T>(given => isMade(given) && settings.is(given)), `${article(settings.of)} ${settings.of}`, settings, { of: settings.of }) // prettier-ignore

/** Some of these, one at least, in order. */
export const values = <T extends Made>({ of, is, ...settings }: Omit<ValueSettings<T>, 'default'> & Settings<readonly T[]>): Option<readonly T[], false> =>
  option(v.pipe(v.array(v.custom<T>(given => isMade(given) && is(given))), v.minLength(1)), `a list of ${plural(of)}`, settings, { of, list: true }) // prettier-ignore

/** Numbers, one at least, in order. */
export const numbers = (settings: Settings<readonly number[]>): Option<readonly number[], false> =>
  option(v.pipe(v.array(v.pipe(v.number(), v.finite())), v.minLength(1)), 'a list of numbers', settings, { list: true })

/** Texts, one at least, in order. */
export const texts = (settings: Settings<readonly string[]>): Option<readonly string[], false> =>
  option(v.pipe(v.array(v.pipe(v.string(), v.nonEmpty())), v.minLength(1)), 'a list of texts', settings, { list: true })

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

const show = (given: unknown): string =>
  typeof given === 'string' ? `"${given}"` : isMade(given) ? callText(given) : String(JSON.stringify(given) ?? given)

const accepted = (table: OptionTable): string =>
  Object.entries(table)
    .map(([name, { accepts }]) => `${name} (${accepts})`)
    .join(', ')

/** Checks options against their table, and one more where given, and fills in defaults; throws BAD_OPTION. */
export const checkOptions = <O extends OptionTable, M extends OptionTable = Record<never, never>>(
  owner: string,
  options: O,
  given: Readonly<Record<string, unknown>>,
  more?: M,
): ValuesOf<O> & ValuesOf<M> => {
  const table: OptionTable = { ...options, ...more }
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
  return Object.freeze(Object.fromEntries(values)) as ValuesOf<O> & ValuesOf<M>
}

const recordedOne = (given: unknown): RecordedOption => {
  if (Array.isArray(given)) return given.map(recordedOne)
  return isMade(given) ? { name: given.name, options: given.options ?? {} } : (given as RecordedOption)
}

/** Options as they are recorded in a saved file: those that are set. */
export const recorded = (given: Readonly<Record<string, unknown>>): RecordedOptions =>
  Object.fromEntries(
    Object.entries(given)
      .filter(([, each]) => each !== undefined)
      .map(([name, each]) => [name, recordedOne(each)]),
  )

/** The value of an option as the command line writes it: lists in brackets, what factories made as calls. */
export const argumentText = (given: RecordedOption): string => {
  if (Array.isArray(given)) return `[${given.map(argumentText).join(', ')}]`
  return typeof given === 'object' ? callText(given as Recorded) : String(given)
}

/** A method, pass or observer as the command line writes it: "gptq(bits=4, group=32)". */
export const callText = ({ name, options = {} }: Made): string => {
  const given = Object.entries(options).map(([option, each]) => `${option}=${argumentText(each)}`)
  return given.length === 0 ? name : `${name}(${given.join(', ')})`
}
