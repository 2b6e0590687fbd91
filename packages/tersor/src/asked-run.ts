import type { Step } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { configSteps, findConfig, loadConfig } from './config.js'
import type { Config } from './define-config.js'
import { makeStep } from './methods.js'

/** Flags of `compress` that a config may hold as well. */
interface AskedFlags {
  readonly for?: string
  readonly step: readonly string[]
  readonly config?: string
  readonly out?: string
}

/** What is asked for on a command line and in a config. */
export interface Asked<F> {
  readonly model: string
  readonly flags: F & { readonly out: string }
  readonly steps: readonly Step[]
  /** As they were written, where all were. */
  readonly texts?: readonly string[]
}

/** A config, where one is named, or found in the working folder and no step is given. */
const configFor = async ({ config, step, for: target }: AskedFlags): Promise<Config | undefined> => {
  if (config !== undefined) return loadConfig(config)
  const found = step.length > 0 || target !== undefined ? undefined : await findConfig(process.cwd())
  return found === undefined ? undefined : loadConfig(found)
}

/** Fields of a config that are no flags. */
const NO_FLAGS: readonly string[] = ['model', 'steps', '$schema']

/** Files as lists, of which a config may name one. */
const listsIn = (said: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(['calibrate', 'evaluate'].flatMap(name => (said[name] === undefined ? [] : [[name, [said[name]].flat()]])))

/**
 * Joins a command line with a config: what was typed goes before what the file says, and steps of both are run, those that were typed first.
 * Throws BAD_OPTION where no model, step or place for the result is named.
 */
export const askedRun = async <F extends AskedFlags>(
  model: string | undefined,
  flags: F,
  isTyped: (flag: string) => boolean,
): Promise<Asked<F>> => {
  const config = await configFor(flags)
  const said = Object.fromEntries(Object.entries(config ?? {}).filter(([name]) => !NO_FLAGS.includes(name) && !isTyped(name)))
  const joined = { ...flags, ...said, ...listsIn(said) }
  const from = model ?? config?.model
  if (from === undefined)
    throw new CompressionError('BAD_OPTION', 'No model was named.', 'Pass one: tersor compress MODEL --out DIR --step "gptq(bits=4)".')
  if (joined.out === undefined)
    throw new CompressionError('BAD_OPTION', "required option '--out <path>' not specified", 'Pass --out PATH, or out in tersor.config.ts.')
  const typed = await Promise.all(flags.step.map(source => makeStep(source, process.cwd())))
  const steps = [...typed, ...(config ? await configSteps(config) : [])]
  if (steps.length === 0 && joined.for === undefined && !('bits' in joined && joined.bits !== undefined))
    throw new CompressionError(
      'BAD_OPTION',
      'No step was given.',
      'Pass --for RUNTIME, such as llama.cpp, or --step "gptq(bits=4)", or --config tersor.config.ts.',
    )
  return { model: from, flags: joined as F & { readonly out: string }, steps, ...(config ? {} : { texts: flags.step }) }
}
