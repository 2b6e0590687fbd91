import { columnsText } from '../columns.js'
import { compareModels } from '../compare-models.js'
import { COMPARISON_COLUMNS } from '../comparison-columns.js'
import { writeResult, type Terminal } from '../output.js'
import { progressOn } from '../progress.js'
import { writeTables, type TableFlags } from '../table-outputs.js'
import { startEngine } from '../with-model.js'

export interface CompareFlags extends TableFlags {
  readonly data?: readonly string[]
  readonly tokens?: number
  /** Tokens generated to time each model. */
  readonly timed: number
}

/** `tersor compare A B C --data FILE`: models beside the first. */
export const compare = async (terminal: Terminal, paths: readonly string[], flags: CompareFlags, signal: AbortSignal): Promise<void> => {
  await startEngine(terminal)
  const progress = progressOn(terminal)
  try {
    const { data, tokens, timed } = flags
    const models = await compareModels(paths, { data, tokens, timed, signal, onProgress: progress.advance })
    progress.stop()
    const page = async () => (await import('../page/comparison-page.js')).comparisonPage(models, data?.join(', '))
    await writeTables(terminal, flags, COMPARISON_COLUMNS, models, page)
    writeResult(terminal, { ...(data === undefined ? {} : { data }), models }, columnsText(terminal, COMPARISON_COLUMNS, models))
  } finally {
    progress.stop()
  }
}
