import type { Step } from '@tersor/core'
import type { OpenedModel } from '@tersor/models/open-model'
import { makeStep } from '../methods.js'
import { note, paint, type Terminal } from '../output.js'
import { ruleNotes } from '../plan/rule-notes.js'

/** The steps of a target, or those that were given; patterns in them that match nothing are said. */
export const chosenSteps = async (
  terminal: Terminal,
  model: OpenedModel,
  ofTarget: readonly string[] | undefined,
  given: readonly Step[],
): Promise<readonly Step[]> => {
  const steps = ofTarget ? await Promise.all(ofTarget.map(text => makeStep(text, process.cwd()))) : given
  for (const line of ruleNotes(model, steps)) note(terminal, paint(terminal, `note ${line}`, 'yellow'))
  return steps
}
