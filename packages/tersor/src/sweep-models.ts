import { sizeOfModel } from '@tersor/evaluation/size-of-model'
import type { OutputFormat } from './format-flags.js'
import { measurerFor } from './measures.js'
import { makeStep } from './methods.js'
import type { Terminal } from './output.js'
import { contentsOf, fingerprintOf, openJournal } from './sweep-journal.js'
import { withBest, type SweptModel, type SweptRow } from './swept-model.js'
import { sweptSteps } from './swept-steps.js'
import { expandPaths } from './texts/files.js'
import { triedModel, type Trial, type TrialsHearing } from './tried-model.js'
import { weightBytes } from './weight-bytes.js'
import { withModel } from './with-model.js'

export interface SweepRequest {
  readonly data: readonly string[]
  readonly step: readonly string[]
  readonly calibrate: readonly string[]
  readonly tokens: number
  readonly format: OutputFormat
  readonly type?: string | undefined
  readonly seed: number
  readonly journal?: string | undefined
}

const contentsOfAll = async (given: readonly string[]) => Promise.all((await expandPaths(given)).map(contentsOf))

/**
 * Compresses a model with every choice of the options that are given as lists, and measures each; rows that a stopped sweep finished are
 * taken from its journal. Steps are all made before anything is done.
 * Throws BAD_OPTION, UNKNOWN_METHOD, RESUME for another sweep's journal, and what compressing and measuring throw.
 */
export const sweepModels = async (
  terminal: Terminal,
  path: string,
  request: SweepRequest,
  hearing: TrialsHearing,
): Promise<readonly SweptRow[]> => {
  const pipelines = sweptSteps(request.step)
  for (const steps of pipelines) await Promise.all(steps.map(text => makeStep(text, process.cwd())))
  const { data, calibrate, tokens, format, type, seed } = request
  return withModel(terminal, path, async (model, engine) => {
    const facts = { model: await contentsOf(path), data: await contentsOfAll(data), step: request.step, tokens, format, type, seed, engine }
    const learned = calibrate.length === 0 ? {} : { calibrate: await contentsOfAll(calibrate) }
    const journal = await openJournal(fingerprintOf({ ...facts, ...learned, path }), request.journal)
    const measurer = await measurerFor(model, path, data, { tokens, signal: hearing.signal })
    const rows: SweptModel[] = []
    const trial: Trial = {
      ...{ calibrate, format, type, seed, hearing, parameters: sizeOfModel(model).parameters },
      against: small => measurer.against(small, model),
    }
    rows.push({ steps: [], bytes: await weightBytes(path), ...(await measurer.alone(model)) })
    for (const [at, steps] of pipelines.entries()) {
      hearing.signal.throwIfAborted()
      hearing.onAdvance(at, pipelines.length, steps.join(' + '))
      const known = journal.rows.get(steps.join(' + '))
      const row = known ?? (await triedModel({ ...terminal, quiet: true }, path, steps, trial))
      if (!known) await journal.add(row)
      rows.push(row)
    }
    await journal.remove()
    return withBest(rows)
  })
}
