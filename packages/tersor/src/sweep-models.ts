import { sizeOfModel } from '@tersor/evaluation/size-of-model'
import type { ProgressEvent } from '@tersor/core'
import { openModel } from '@tersor/models/open-model'
import type { CompressionError } from '@tersor/tensor'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCompression } from './compress-model.js'
import type { OutputFormat } from './format-flags.js'
import { measurerFor, type Measurer } from './measures.js'
import { makeStep } from './methods.js'
import type { Terminal } from './output.js'
import { contentsOf, fingerprintOf, openJournal } from './sweep-journal.js'
import { withBest, type SweptModel, type SweptRow } from './swept-model.js'
import { sweptSteps } from './swept-steps.js'
import { expandPaths } from './texts/files.js'
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

export interface SweepHearing {
  readonly signal: AbortSignal
  readonly onProgress: (event: ProgressEvent) => void
  /** Pipelines that are done, of how many. */
  readonly onAdvance: (done: number, of: number, label: string) => void
}

/** Refusals of one pipeline say nothing of the others. */
const ONE_OF_MANY = ['COMPOSITION', 'UNSUPPORTED', 'NOT_FINITE', 'SHAPE', 'NOT_FOUND']

/** Compresses into a folder that vanishes, and measures what came of it. */
const sweptModel = async (terminal: Terminal, path: string, steps: readonly string[], measure: Measure): Promise<SweptModel> => {
  const { request, hearing } = measure
  const folder = await mkdtemp(join(tmpdir(), 'tersor-sweep-'))
  try {
    const made = await Promise.all(steps.map(text => makeStep(text, process.cwd())))
    const { calibrate, format, type, seed } = request
    const { out, bytesAfter, layers } = await runCompression(
      terminal,
      path,
      {
        ...{ out: join(folder, 'model'), steps: made, calibrate, format, seed, ...(type === undefined ? {} : { type }) },
        ...{ overwrite: false, resume: false, verify: false, activationMemory: 512, quality: false, described: false },
      },
      { ...hearing, onAdvance: () => {} },
    )
    const small = await openModel(out)
    try {
      const error = layers.reduce((sum, layer) => sum + layer.error, 0) / layers.length
      const bitsPerWeight = (8 * bytesAfter) / Math.max(1, measure.parameters)
      const measures = await measure.against(small)
      return { steps, bytes: bytesAfter, bitsPerWeight, ...(layers.length > 0 ? { error } : {}), ...measures }
    } finally {
      await small.close?.()
    }
  } catch (error) {
    const { code = '', message } = error as Partial<CompressionError> & Error
    if (!ONE_OF_MANY.includes(code)) throw error
    return { steps, failed: message.split('\n')[0] }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface Measure {
  readonly request: SweepRequest
  readonly hearing: SweepHearing
  readonly parameters: number
  readonly against: (small: Parameters<Measurer['against']>[0]) => ReturnType<Measurer['against']>
}

/**
 * Compresses a model with every choice of the options that are given as lists, and measures each; rows that a stopped sweep finished are
 * taken from its journal. Steps are all made before anything is done.
 * Throws BAD_OPTION, UNKNOWN_METHOD, RESUME for another sweep's journal, and what compressing and measuring throw.
 */
export const sweepModels = async (
  terminal: Terminal,
  path: string,
  request: SweepRequest,
  hearing: SweepHearing,
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
    const measure: Measure = {
      ...{ request, hearing, parameters: sizeOfModel(model).parameters },
      against: small => measurer.against(small, model),
    }
    rows.push({ steps: [], bytes: await weightBytes(path), ...(await measurer.alone(model)) })
    for (const [at, steps] of pipelines.entries()) {
      hearing.signal.throwIfAborted()
      hearing.onAdvance(at, pipelines.length, steps.join(' + '))
      const known = journal.rows.get(steps.join(' + '))
      const row = known ?? (await sweptModel({ ...terminal, quiet: true }, path, steps, measure))
      if (!known) await journal.add(row)
      rows.push(row)
    }
    await journal.remove()
    return withBest(rows)
  })
}
