import type { Provenance } from '@tersor/core'
import { quoted } from './shell-text.js'
import { stepSource } from './step-text.js'

/** The steps of a run as the command line takes them. */
export const stepSources = (steps: readonly { readonly name: string; readonly options?: Provenance['options'] }[]): readonly string[] =>
  steps.map(({ name, options = {} }) => stepSource(name, options))

/** The command behind a file that has no recipe but says which steps made it. */
export const commandOfProvenance = (provenance: readonly Provenance[]): string => {
  const steps = provenance.filter(({ method }) => method !== 'pack')
  const seed = steps.find(each => each.seed !== 0)?.seed ?? 0
  const calls = steps.map(({ method, options }) => `--step ${quoted(stepSource(method, options))}`)
  return ['tersor compress MODEL --out OUT', ...calls, ...(seed === 0 ? [] : [`--seed ${seed}`])].join(' ')
}
