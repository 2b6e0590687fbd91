import * as lowRank from '@tersor/low-rank'
import * as models from '@tersor/models/fold-batch-norm'
import * as pruning from '@tersor/pruning'
import * as quantization from '@tersor/quantization'
import * as core from '@tersor/core'
import type { Description, Step } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseStep } from './step.js'

/** Makes a step from options and says what it is. */
export type StepFactory = ((options?: Readonly<Record<string, unknown>>) => Step) & { readonly description: Description }

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
  '@tersor/models': models,
}

/** Observers describe themselves too, and are no steps. */
const isFactory = (value: unknown): value is StepFactory =>
  typeof value === 'function' && ['method', 'pass'].includes((value as Partial<StepFactory>).description?.kind ?? '')

const factoriesOf = (name: string, exports: object): ListedMethod[] =>
  Object.values(exports)
    .filter(isFactory)
    .map(factory => ({ package: name, factory }))

/** Tersor's own methods: every export that describes itself. */
export const listMethods = (): readonly ListedMethod[] => Object.entries(PACKAGES).flatMap(([name, exports]) => factoriesOf(name, exports))

const unknown = (name: string, known: readonly string[]): CompressionError =>
  new CompressionError(
    'UNKNOWN_METHOD',
    `No step is called "${name}".`,
    `Known are ${known.join(', ')}; methods of other packages are written package:method(…).`,
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
      `The package "${specifier}" cannot be imported: ${reason}.`,
      `Install it: npm install ${specifier}.`,
      { package: specifier },
      cause,
    )
  }
}

/** Makes the step that a command line names; throws UNKNOWN_METHOD or BAD_OPTION. */
export const makeStep = async (source: string, folder: string): Promise<Step> => {
  const call = parseStep(source)
  const listed = call.package ? factoriesOf(call.package, await importFrom(call.package, folder)) : listMethods()
  const found = listed.find(({ factory }) => factory.description.name === call.name)
  if (!found)
    throw unknown(
      call.name,
      listed.map(({ factory }) => factory.description.name),
    )
  return found.factory(call.options)
}
