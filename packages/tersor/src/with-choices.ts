import { InvalidArgumentError, type Option } from 'commander'
import { didYouMean, sameName } from './nearest.js'

/** An option that takes one of some words, in any case and with or without dashes; what is near one of them is asked about. */
export const withChoices = (option: Option, choices: readonly string[]): Option => {
  option.choices(choices)
  const chosen = (given: string): string => {
    const found = sameName(given, choices)
    if (found !== undefined) return found
    throw new InvalidArgumentError(`${didYouMean(given, choices)}Allowed choices are ${choices.join(', ')}.`)
  }
  option.argParser(chosen)
  return option
}
