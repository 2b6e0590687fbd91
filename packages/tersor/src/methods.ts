import * as kvCache from '@tersor/kv-cache'
import * as distillation from '@tersor/distillation'
import * as gradients from '@tersor/gradients'
import * as lowRank from '@tersor/low-rank'
import * as models from '@tersor/models/fold-batch-norm'
import * as pruning from '@tersor/pruning'
import * as quantization from '@tersor/quantization'
import * as core from '@tersor/core'
import type { CachePlan, CacheStorage, Made, Step } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { factoriesOf, makerOfCalls, PARTS_OF_PLANS, STEPS, type ListedMethod } from './named-calls.js'
import { parseStep } from './step.js'

export type { ListedMethod, StepFactory } from './named-calls.js'

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

/** Tersor's own methods: every export that describes itself. */
export const listMethods = (): readonly ListedMethod[] => Object.entries(PACKAGES).flatMap(([name, exports]) => factoriesOf(name, exports))

/** Whether a package is one of Tersor's, whose steps need no name of a package before them. */
export const isOwn = (name: string): boolean => Object.hasOwn(PACKAGES, name)

/** What of a package describes itself, as the user's folder sees it; throws UNKNOWN_METHOD where it cannot be imported. */
export const methodsOf = async (name: string, folder: string): Promise<readonly ListedMethod[]> =>
  factoriesOf(name, await importFrom(name, folder))

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

const makeIn = (folder: string) => makerOfCalls({ listed: listMethods, importPackage: name => importFrom(name, folder) })

/** Makes the step that a command line names; throws UNKNOWN_METHOD or BAD_OPTION. */
export const makeStep = async (source: string, folder: string): Promise<Step> => (await makeIn(folder)(parseStep(source), STEPS)) as Step

/** Makes the policies, rewrites and encoding of a cache that a command line names, in order; throws UNKNOWN_METHOD or BAD_OPTION. */
export const makePlan = async (sources: readonly string[], folder: string): Promise<CachePlan> =>
  (await Promise.all(sources.map(source => makeIn(folder)(parseStep(source), PARTS_OF_PLANS)))) as CachePlan

/** Makes the storage of a session's keys and values that a command line names; throws UNKNOWN_METHOD or BAD_OPTION. */
export const makeStorage = async (source: string, folder: string): Promise<CacheStorage & Made> =>
  (await makeIn(folder)(parseStep(source), ['storage'])) as CacheStorage & Made
