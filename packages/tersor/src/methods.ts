import * as kvCache from '@tersor/kv-cache'
import * as distillation from '@tersor/distillation'
import * as gradients from '@tersor/gradients'
import * as lowRank from '@tersor/low-rank'
import * as models from '@tersor/models/fold-batch-norm'
import * as pruning from '@tersor/pruning'
import * as quantization from '@tersor/quantization'
import * as core from '@tersor/core'
import type { CachePlan, CacheStorage, Description, Made, Step } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { forgivenOptions } from './forgiven-options.js'
import { didYouMean, sameName } from './nearest.js'
import { parseStep, type StepCall, type StepValue } from './step.js'

/** Makes a step, or a value of an option, and says what it is. */
export type StepFactory = ((options?: Readonly<Record<string, unknown>>) => unknown) & { readonly description: Description }

export interface ListedMethod {
  readonly package: string
  readonly factory: StepFactory
}

/** Whole packages, but for models: only one file of it makes a step, and the networks are not needed for that. */
const PACKAGES: Readonly<Record<string, object>> = {
  '@tersor/core': core,
  '@tersor/pruning': pruning,
  '@tersor/quantization': quantization,
  '@tersor/low-rank': lowRank,
  '@tersor/distillation': distillation,
  '@tersor/kv-cache': kvCache,
  '@tersor/gradients': gradients,
  '@tersor/models': models,
}

const isFactory = (value: unknown): value is StepFactory =>
  typeof value === 'function' && typeof (value as Partial<StepFactory>).description?.kind === 'string'

const factoriesOf = (name: string, exports: object): ListedMethod[] =>
  Object.values(exports)
    .filter(isFactory)
    .map(factory => ({ package: name, factory }))

/** Tersor's own methods: every export that describes itself. */
export const listMethods = (): readonly ListedMethod[] => Object.entries(PACKAGES).flatMap(([name, exports]) => factoriesOf(name, exports))

/** Whether a package is one of Tersor's, whose steps need no name of a package before them. */
export const isOwn = (name: string): boolean => Object.hasOwn(PACKAGES, name)

/** What of a package describes itself, as the user's folder sees it; throws UNKNOWN_METHOD where it cannot be imported. */
export const methodsOf = async (name: string, folder: string): Promise<readonly ListedMethod[]> =>
  factoriesOf(name, await importFrom(name, folder))

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

/** Imports a package as the user's folder sees it; jiti also takes packages that ship TypeScript. */
const importFrom = async (specifier: string, folder: string): Promise<object> => {
  try {
    const { createJiti } = await import('jiti')
    return await createJiti(pathToFileURL(join(folder, 'tersor.config.ts')).href).import<object>(specifier)
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0]
    throw new CompressionError(
      'UNKNOWN_METHOD',
      `The ${/^[./]/.test(specifier) ? 'file' : 'package'} "${specifier}" cannot be imported: ${reason}.`,
      /^[./]/.test(specifier) ? 'Pass its path from this folder; node shows where it fails.' : `Install it: npm install ${specifier}.`,
      { package: specifier },
      cause,
    )
  }
}

/** What may stand where: steps of a pipeline, or values of an option. */
type Kinds = readonly Description['kind'][]
const STEPS: Kinds = ['method', 'pass']
const PARTS_OF_PLANS: Kinds = ['policy', 'rewrite', 'encoding']

/** Options with nested calls made into what they name. Throws UNKNOWN_METHOD or BAD_OPTION. */
const makeOptions = async (call: StepCall, description: Description, folder: string): Promise<Record<string, unknown>> => {
  const made: Record<string, unknown> = {}
  const options = forgivenOptions(named(call, description), description)
  for (const [name, given] of Object.entries(options)) {
    const { of, list } = description.options[name]
    const one = (each: StepValue): unknown => (of === undefined || typeof each === 'number' ? each : makeNested(each, of, folder))
    made[name] = list && Array.isArray(given) ? await Promise.all(given.map(one)) : await one(given)
  }
  return made
}

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

/** A name alone is a call without options. */
const makeNested = async (given: StepValue, kind: string, folder: string): Promise<unknown> => {
  if (typeof given === 'string') return makeCall({ name: given, options: {} }, [kind], folder)
  return typeof given === 'object' && 'options' in given ? makeCall(given, [kind], folder) : given
}

const makeCall = async (call: StepCall, kinds: Kinds, folder: string): Promise<unknown> => {
  const all = call.package ? factoriesOf(call.package, await importFrom(call.package, folder)) : listMethods()
  const listed = all.filter(({ factory }) => kinds.includes(factory.description.kind))
  const names = listed.map(({ factory }) => factory.description.name)
  const name = sameName(ALIASES[call.name] ?? call.name, names)
  const found = listed.find(({ factory }) => factory.description.name === name)
  if (found) return found.factory(await makeOptions(call, found.factory.description, folder))
  throw unknown(kinds === STEPS ? 'step' : kinds.join(', '), call.name, names)
}

/** Makes the step that a command line names; throws UNKNOWN_METHOD or BAD_OPTION. */
export const makeStep = async (source: string, folder: string): Promise<Step> => (await makeCall(parseStep(source), STEPS, folder)) as Step

/** Makes the policies, rewrites and encoding of a cache that a command line names, in order; throws UNKNOWN_METHOD or BAD_OPTION. */
export const makePlan = async (sources: readonly string[], folder: string): Promise<CachePlan> =>
  (await Promise.all(sources.map(source => makeCall(parseStep(source), PARTS_OF_PLANS, folder)))) as CachePlan

/** Makes the storage of a session's keys and values that a command line names; throws UNKNOWN_METHOD or BAD_OPTION. */
export const makeStorage = async (source: string, folder: string): Promise<CacheStorage & Made> =>
  (await makeCall(parseStep(source), ['storage'], folder)) as CacheStorage & Made
