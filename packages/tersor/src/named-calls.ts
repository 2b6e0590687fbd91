import type { Description } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { forgivenOptions } from './forgiven-options.js'
import { didYouMean, sameName } from './nearest.js'
import type { StepCall, StepValue } from './step.js'

/** Makes a step, or a value of an option, and says what it is. */
export type StepFactory = ((options?: Readonly<Record<string, unknown>>) => unknown) & { readonly description: Description }

export interface ListedMethod {
  readonly package: string
  readonly factory: StepFactory
}

const isFactory = (value: unknown): value is StepFactory =>
  typeof value === 'function' && typeof (value as Partial<StepFactory>).description?.kind === 'string'

/** What of a package describes itself. */
export const factoriesOf = (name: string, exports: object): ListedMethod[] =>
  Object.values(exports)
    .filter(isFactory)
    .map(factory => ({ package: name, factory }))

const unknown = (what: string, name: string, known: readonly string[]): CompressionError =>
  new CompressionError(
    'UNKNOWN_METHOD',
    `No ${what} is called "${name}".`,
    `${didYouMean(name, known)}Known are ${known.join(', ')}; those of other packages are written package:name(…).`,
    {
      name,
      known,
    },
  )

/** What may stand where: steps of a pipeline, or values of an option. */
export type Kinds = readonly Description['kind'][]
export const STEPS: Kinds = ['method', 'pass']
export const PARTS_OF_PLANS: Kinds = ['policy', 'rewrite', 'encoding']

/** Calls without a name are the list that the factory takes: `mixed(rtn(bits=8), nf4())`. Throws BAD_OPTION where it takes none. */
const named = ({ items = [], ...call }: StepCall, { name, options }: Description): StepCall => {
  if (items.length === 0) return call
  const [list] = Object.entries(options).find(([, { of, list }]) => of !== undefined && list) ?? []
  if (list === undefined)
    throw new CompressionError(
      'BAD_OPTION',
      `${name} is given ${items[0].name} without a name.`,
      'Write options as name=value, such as "gptq(bits=4, group=32)".',
      { owner: name },
    )
  return { ...call, options: { ...call.options, [list]: items } }
}

/** Other names of steps. */
const ALIASES: Readonly<Record<string, string>> = { rules: 'mixed' }

/** What calls may name. */
export interface Namable {
  listed(): readonly ListedMethod[]
  /** Loads the package that a call names; throws UNKNOWN_METHOD. */
  importPackage(name: string): Promise<object>
}

/** Makes calls into what they name; throws UNKNOWN_METHOD or BAD_OPTION. */
export const makerOfCalls = ({ listed: own, importPackage }: Namable): ((call: StepCall, kinds: Kinds) => Promise<unknown>) => {
  /** Options with nested calls made into what they name. Throws UNKNOWN_METHOD or BAD_OPTION. */
  const makeOptions = async (call: StepCall, description: Description): Promise<Record<string, unknown>> => {
    const made: Record<string, unknown> = {}
    const options = forgivenOptions(named(call, description), description)
    for (const [name, given] of Object.entries(options)) {
      const { of, list } = description.options[name]
      const one = (each: StepValue): unknown => (of === undefined || typeof each === 'number' ? each : makeNested(each, of))
      made[name] = list && Array.isArray(given) ? await Promise.all(given.map(one)) : await one(given)
    }
    return made
  }

  /** A name alone is a call without options. */
  const makeNested = async (given: StepValue, kind: string): Promise<unknown> => {
    if (typeof given === 'string') return makeCall({ name: given, options: {} }, [kind])
    return typeof given === 'object' && 'options' in given ? makeCall(given, [kind]) : given
  }

  const makeCall = async (call: StepCall, kinds: Kinds): Promise<unknown> => {
    const all = call.package ? factoriesOf(call.package, await importPackage(call.package)) : own()
    const listed = all.filter(({ factory }) => kinds.includes(factory.description.kind))
    const names = listed.map(({ factory }) => factory.description.name)
    const name = sameName(ALIASES[call.name] ?? call.name, names)
    const found = listed.find(({ factory }) => factory.description.name === name)
    if (found) return found.factory(await makeOptions(call, found.factory.description))
    throw unknown(kinds === STEPS ? 'step' : kinds.join(', '), call.name, names)
  }
  return makeCall
}
