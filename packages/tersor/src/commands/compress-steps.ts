import type { Step } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'
import { CompressionError } from '@tersor/tensor'
import { loadConfig } from '../config.js'
import { makeStep } from '../methods.js'
import { note, paint, type Terminal } from '../output.js'
import { ruleNotes } from '../plan/rule-notes.js'
import type { TargetFlags } from '../targets/in-target.js'

/** Steps of --step and --config, in order; throws BAD_OPTION where there are none. */
const stepsOf = async ({ step, config }: Pick<TargetFlags, 'step' | 'config'>): Promise<Step[]> => {
  const folder = process.cwd()
  const steps = await Promise.all(step.map(source => makeStep(source, folder)))
  if (config !== undefined) steps.push(await loadConfig(config))
  if (steps.length > 0) return steps
  throw new CompressionError(
    'BAD_OPTION',
    'No step was given.',
    'Pass --for RUNTIME, such as llama.cpp, or --step "gptq(bits=4)", or --config tersor.config.ts.',
  )
}

/** The steps of a run, and what is to be said of patterns in them that match nothing; none where the writer alone changes the weights. */
export const stepsFor = async (
  terminal: Terminal,
  model: OpenedModel,
  flags: Pick<TargetFlags, 'step' | 'config'>,
  isWritten: boolean,
): Promise<readonly Step[]> => {
  if (isWritten) return []
  const steps = await stepsOf(flags)
  for (const line of ruleNotes(model, steps)) note(terminal, paint(terminal, `note ${line}`, 'yellow'))
  return steps
}
