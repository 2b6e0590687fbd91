import type { Step } from '@tersor/core'
import { CompressionError } from '@tersor/tensor'
import { runCompression, type CompressRequest } from '../compress-model.js'
import { screenOf } from '../compression-screen.js'
import { loadConfig } from '../config.js'
import { makeStep } from '../methods.js'
import { writeResult, type Terminal } from '../output.js'
import { progressOn } from '../progress.js'
import { requireAgreement } from '../verify.js'
import { noteGrowth } from '../weight-bytes.js'

export interface CompressFlags extends Omit<CompressRequest, 'steps'> {
  readonly step: readonly string[]
  readonly config?: string
}

/** `tersor compress MODEL --out DIR`: runs a pipeline and saves the result. */
export const compress = async (terminal: Terminal, path: string, flags: CompressFlags, signal: AbortSignal): Promise<void> => {
  const progress = progressOn(terminal)
  try {
    const steps = await stepsOf(flags)
    const { onProgress, advance: onAdvance, expect: onOpened } = progress
    const result = await runCompression(terminal, path, { ...flags, steps }, { signal, onProgress, onAdvance, onOpened })
    progress.stop()
    noteGrowth(terminal, result.bytesBefore, result.bytesAfter)
    writeResult(terminal, result, screenOf(terminal, result))
    requireAgreement(result.verification)
  } finally {
    progress.stop()
  }
}

const stepsOf = async ({ step, config }: Pick<CompressFlags, 'step' | 'config'>): Promise<Step[]> => {
  const folder = process.cwd()
  const steps = await Promise.all(step.map(source => makeStep(source, folder)))
  if (config !== undefined) steps.push(await loadConfig(config))
  if (steps.length > 0) return steps
  throw new CompressionError('BAD_OPTION', 'No step was given.', "Pass --step 'gptq(bits=4)' or --config tersor.config.ts.")
}
