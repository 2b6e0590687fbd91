import type { ProgressEvent } from '@tersor/core'
import { openModel, type OpenedModel } from '@tersor/models/open-model'
import type { CompressionError } from '@tersor/tensor'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCompression } from './compress-model.js'
import type { CompressionResult } from './compression-result.js'
import type { OutputFormat } from './format-flags.js'
import type { Measurer } from './measures.js'
import { makeStep } from './methods.js'
import type { Terminal } from './output.js'
import type { SweptModel } from './swept-model.js'

/** Who hears of pipelines that are tried one after another, and may stop them. */
export interface TrialsHearing {
  readonly signal: AbortSignal
  readonly onProgress: (event: ProgressEvent) => void
  /** Pipelines that are done, of how many, and the one that is tried now. */
  readonly onAdvance: (done: number, of: number, steps: string) => void
}

/** How pipelines that are tried are run and measured. */
export interface Trial {
  readonly calibrate: readonly string[]
  readonly format: OutputFormat
  readonly type?: string | undefined
  readonly seed: number
  readonly hearing: Pick<TrialsHearing, 'signal' | 'onProgress'>
  /** Weights of the original. */
  readonly parameters: number
  readonly against: (small: OpenedModel) => ReturnType<Measurer['against']>
  /** Sees what came of a pipeline while it stands. */
  readonly look?: (result: CompressionResult, small: OpenedModel) => Promise<void> | void
}

/** Refusals of one pipeline say nothing of the others. */
const ONE_OF_MANY = ['COMPOSITION', 'UNSUPPORTED', 'NOT_FINITE', 'SHAPE', 'NOT_FOUND', 'NO_CALIBRATION']

const measured = async (result: CompressionResult, steps: readonly string[], trial: Trial): Promise<SweptModel> => {
  const { out, bytesAfter, layers } = result
  const small = await openModel(out)
  try {
    const error = layers.reduce((sum, layer) => sum + layer.error, 0) / layers.length
    const bitsPerWeight = (8 * bytesAfter) / Math.max(1, trial.parameters)
    const measures = await trial.against(small)
    await trial.look?.(result, small)
    return { steps, bytes: bytesAfter, bitsPerWeight, ...(layers.length > 0 ? { error } : {}), ...measures }
  } finally {
    await small.close?.()
  }
}

/** Compresses into a folder that vanishes, and measures what came of it. */
export const triedModel = async (terminal: Terminal, path: string, steps: readonly string[], trial: Trial): Promise<SweptModel> => {
  const folder = await mkdtemp(join(tmpdir(), 'tersor-trial-'))
  const { calibrate, format, type, seed, hearing } = trial
  try {
    const made = await Promise.all(steps.map(text => makeStep(text, process.cwd())))
    const result = await runCompression(
      terminal,
      path,
      {
        ...{ out: join(folder, 'model'), steps: made, calibrate, format, seed, ...(type === undefined ? {} : { type }) },
        ...{ overwrite: false, resume: false, verify: false, activationMemory: 512, quality: false, described: false },
      },
      { ...hearing, onAdvance: () => {} },
    )
    return await measured(result, steps, trial)
  } catch (error) {
    const { code = '', message } = error as Partial<CompressionError> & Error
    if (!ONE_OF_MANY.includes(code)) throw error
    return { steps, failed: message.split('\n')[0] }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
