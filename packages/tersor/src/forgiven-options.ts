import type { Description, OptionTable } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { didYouMean, sameName } from './nearest.js'
import type { StepCall, StepValue } from './step.js'

const WORDS: Readonly<Record<string, boolean>> = { yes: true, no: false, on: true, off: false, true: true, false: false }

interface Schema {
  readonly type: string
  readonly options?: readonly string[]
}

const accepted = (table: OptionTable): string =>
  Object.entries(table)
    .map(([name, { accepts }]) => `${name} (${accepts})`)
    .join(', ')

/** The option that is meant; throws BAD_OPTION where none is. */
const optionIn = (given: string, { name, options }: Description): string => {
  const names = Object.keys(options)
  const found = sameName(given, names)
  if (found !== undefined) return found
  const remedy = `${didYouMean(given, names)}Its options are ${accepted(options) || 'none'}.`
  throw new CompressionError('BAD_OPTION', `${name} has no option "${given}".`, remedy, { owner: name, option: given })
}

/** A word of a choice in another case, and yes or no for a truth; throws BAD_OPTION for a word that is near one of the choices. */
const valueIn = (option: string, given: StepValue, { name, options }: Description): StepValue => {
  const { accepts, doc, schema } = options[option]
  const { type, options: words = [] } = schema as unknown as Schema
  if (type === 'boolean' && typeof given === 'string') return WORDS[given.toLowerCase()] ?? given
  if (type !== 'picklist' || typeof given !== 'string') return given
  const found = sameName(given, words)
  if (found !== undefined) return found
  const remedy = `${didYouMean(given, words)}Pass ${accepts}: ${doc}.`
  throw new CompressionError('BAD_OPTION', `${name} got ${option} = "${given}".`, remedy, { owner: name, option, got: given })
}

/** Options of a call under the names and with the words that its factory knows. Throws BAD_OPTION for names that it has not. */
export const forgivenOptions = (call: StepCall, description: Description): Readonly<Record<string, StepValue>> => {
  const given = Object.entries(call.options).map(([name, value]) => [optionIn(name, description), value] as const)
  const twice = given.find(([name], i) => given.findIndex(([other]) => other === name) !== i)
  if (twice)
    throw new CompressionError('BAD_OPTION', `${description.name} is given ${twice[0]} twice.`, 'Give it once.', {
      owner: description.name,
    })
  return Object.fromEntries(given.map(([name, value]) => [name, valueIn(name, value, description)]))
}
