import * as core from '@tersor/core'
import type { Step } from '@tersor/core'
import * as quantization from '@tersor/quantization'
import { CompressionError } from '@tersor/tensor'
import { factoriesOf, makerOfCalls, STEPS, type ListedMethod } from '../named-calls.js'
import { parseStep } from '../step.js'

/** Packages whose steps targets name. */
const PACKAGES: Readonly<Record<string, object>> = { '@tersor/core': core, '@tersor/quantization': quantization }

const listed = (): readonly ListedMethod[] => Object.entries(PACKAGES).flatMap(([name, exports]) => factoriesOf(name, exports))

const importPackage = (name: string): never => {
  throw new CompressionError('UNKNOWN_METHOD', `The package "${name}" cannot be imported in a page.`, 'Use the command line for it.', {
    package: name,
  })
}

const make = makerOfCalls({ listed, importPackage: async name => importPackage(name) })

/** Makes a step from its call in a page; throws UNKNOWN_METHOD or BAD_OPTION. */
export const makePageStep = async (source: string): Promise<Step> => (await make(parseStep(source), STEPS)) as Step
