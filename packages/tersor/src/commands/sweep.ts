import { CompressionError } from '@tersor/tensor'
import { columnsText } from '../columns.js'
import type { OutputFormat } from '../format-flags.js'
import { paint, writeResult, type Terminal } from '../output.js'
import { progressOn } from '../progress.js'
import { sweepModels, type SweepRequest } from '../sweep-models.js'
import { SWEEP_COLUMNS } from '../sweep-columns.js'
import { writeTables, type TableFlags } from '../table-outputs.js'
import { trialsProgress } from '../trials-progress.js'
import { writerOf } from '../writer-of.js'

export interface SweepFlags extends Omit<SweepRequest, 'format'>, TableFlags {
  readonly format?: OutputFormat
}

/** `tersor sweep MODEL --step "rtn(bits=[2,3,4])" --data FILE`: what every choice of options costs, and which are worth it. */
export const sweep = async (terminal: Terminal, path: string, flags: SweepFlags, signal: AbortSignal): Promise<void> => {
  const { format = 'huggingface', data, step } = flags
  if (step.length === 0)
    throw new CompressionError('BAD_OPTION', 'No step was given to try.', 'Pass --step "rtn(bits=[2,3,4])", and again for a second step.')
  await writerOf(format)
  const progress = progressOn(terminal)
  try {
    const rows = await sweepModels(terminal, path, { ...flags, format }, { signal, ...trialsProgress(terminal, progress, 'sweep') })
    progress.stop()
    const page = async () => (await import('../page/sweep-page.js')).sweepPage(path, data.join(', '), rows)
    await writeTables(terminal, flags, SWEEP_COLUMNS, rows, page)
    const legend = paint(terminal, '* no other is as small and better, or as good and smaller', 'dim')
    writeResult(terminal, { model: path, data, rows }, `${columnsText(terminal, SWEEP_COLUMNS, rows)}\n${legend}`)
  } finally {
    progress.stop()
  }
}
